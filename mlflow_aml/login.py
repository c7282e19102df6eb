"""One login to Azure for azureml-core and azureml-mlflow, with `azure-identity`."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from mlflow_aml.console import warn
from mlflow_aml.errors import FAILURE, AzureMLError, UnreachableError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

# Without a terminal, nobody can help the login along, so it may take no longer than this.
SECONDS_WITHOUT_TERMINAL = 25.0
# Renew a token this long before it expires, as Azure's own clients do.
SECONDS_BEFORE_EXPIRY = 300.0
SERVICE_PRINCIPAL = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
WAYS = (
    "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a service principal; or run "
    "`az login`; or run where there is a managed or workload identity; or run in a terminal, "
    "which offers a browser"
)
_REFUSAL = re.compile(r"^\s*(?:(\w+Credential):)?.*?\b(AADSTS\d+)", re.MULTILINE)
_NETWORK_SIGNS = (
    "Connection",
    "connect",
    "resolve",
    "timed out",
    "CERTIFICATE",
    "certificate bundle",
    "Max retries",
    "HTTP Error: 5",
)
# What azure-identity 1.27's credentials refuse when they are made, by a word of their message.
_SETTINGS = {
    "tenant": "AZURE_TENANT_ID: expected the id or the domain of a tenant, found other characters",
    "authority": "AZURE_AUTHORITY_HOST: expected an address https://…, found something else",
    "certificate": "AZURE_CLIENT_CERTIFICATE_PATH: expected a certificate with its key, as PEM or "
    "PKCS12, found something else",
    "No such file": "AZURE_CLIENT_CERTIFICATE_PATH: expected a file, found nothing there",
}
_REASONS = {
    "AADSTS7000215": "AZURE_CLIENT_SECRET is wrong; it is the secret's value, not its id",
    "AADSTS7000222": "the client secret has expired; make a new one in the portal",
    "AADSTS700016": "AZURE_CLIENT_ID is unknown in this tenant",
    "AADSTS90002": "AZURE_TENANT_ID is unknown",
    "AADSTS900023": "AZURE_TENANT_ID is not a tenant",
    "AADSTS700082": "the sign-in has expired; run `az login` again",
    "AADSTS70043": "the sign-in has expired; run `az login` again",
    "AADSTS50173": "the sign-in was revoked; run `az login` again",
    "AADSTS50078": "a second factor is asked for; run `az login` again",
    "AADSTS50076": "a second factor is asked for; run `az login` again",
}


class Login:
    """A credential that caches its tokens and fails with a one-line message.

    azureml-mlflow 1.62 asks for a token with every request; `az login`'s credential would start a
    process each time.
    """

    def __init__(self, connect: Callable[[], Callable[..., AccessToken]]) -> None:
        self._connect = connect
        self._ask = connect()
        self._tokens: dict[tuple[str, ...], AccessToken] = {}
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """Return a token for the scopes, from the cache unless it is about to expire."""
        with self._lock:
            token = self._tokens.get(scopes)
            if token is None or token.expires_on - time.time() < SECONDS_BEFORE_EXPIRY:
                token = self._tokens[scopes] = self._ask(*scopes)
            return token

    def forget(self) -> None:
        """Drop all cached tokens, also those of Azure's libraries: one was refused early."""
        with self._lock:
            self._tokens.clear()
            self._ask = self._connect()


@cache
def login() -> Login:
    """Return this process's login. Nothing is asked of Azure before the first token is needed."""
    return Login(_connect)


def _connect() -> Callable[..., AccessToken]:
    with quiet("azure.identity"), _settings_checked():
        from azure.identity import DefaultAzureCredential

        chain = DefaultAzureCredential(process_timeout=8)
    person: list[TokenCredential] = []

    def ask(*scopes: str) -> AccessToken:
        if person:
            return _ask_person(person[0], scopes)
        try:
            return _ask_in_time(chain, scopes)
        except AzureMLError as error:
            if not (isinstance(error, NoLoginError) and sys.stdin.isatty()):
                raise
        person.append(_interactive())
        return _ask_person(person[0], scopes)

    return ask


class NoLoginError(AzureMLError):
    """No login is set up, as opposed to a login that Azure refused."""


def _ask_in_time(chain: TokenCredential, scopes: tuple[str, ...]) -> AccessToken:
    from azure.core.exceptions import AzureError

    answer: list[AccessToken] = []
    failure: list[Exception] = []

    def ask() -> None:
        try:
            with quiet("azure.identity"):
                answer.append(chain.get_token(*scopes))
        except (AzureError, ValueError) as error:
            failure.append(error)

    # azure-identity 1.27 has no overall time limit, so limit the wait for it. A daemon thread
    # does not hold up the end of the process.
    thread = threading.Thread(target=ask, name="azure-login", daemon=True)
    thread.start()
    thread.join(SECONDS_WITHOUT_TERMINAL)
    if answer:
        return answer[0]
    if failure:
        raise explain(str(failure[0]), os.environ)
    raise UnreachableError(
        f"Azure did not answer the login within {SECONDS_WITHOUT_TERMINAL:.0f} s; check the "
        "network and HTTPS_PROXY",
        exit_code=FAILURE,
    )


def _interactive() -> TokenCredential:
    from azure.identity import (
        ChainedTokenCredential,
        DeviceCodeCredential,
        InteractiveBrowserCredential,
    )

    def prompt(address: str, code: str, _expires: object) -> None:
        # Standard output may be a shell's $(…): the prompt goes to standard error.
        warn(f"log in to Azure: open {address} and enter {code}")

    tenant = os.environ.get("AZURE_TENANT_ID")
    with _settings_checked():
        return ChainedTokenCredential(
            InteractiveBrowserCredential(tenant_id=tenant),
            DeviceCodeCredential(tenant_id=tenant, prompt_callback=prompt),
        )


@contextmanager
def _settings_checked() -> Iterator[None]:
    """Turn azure-identity's error about an unusable variable into one line."""
    try:
        yield
    # An encrypted key without its password raises a TypeError.
    except (ValueError, TypeError, OSError) as error:
        raise explain_setting(str(error), os.environ) from None


def explain_setting(message: str, environment: Mapping[str, str]) -> AzureMLError:
    """Name the variable that azure-identity rejects, but never its value."""
    for word, text in _SETTINGS.items():
        if word in message:
            return AzureMLError(f"{text}; set it anew, or unset it")
    names = ", ".join(sorted(name for name in environment if name.startswith("AZURE_")))
    return AzureMLError(f"azure-identity cannot use the login that is set up; check {names}")


def _ask_person(credential: TokenCredential, scopes: tuple[str, ...]) -> AccessToken:
    from azure.core.exceptions import AzureError

    try:
        with quiet("azure.identity"):
            return credential.get_token(*scopes)
    except AzureError as error:
        raise explain(str(error), os.environ) from None


def explain(message: str, environment: Mapping[str, str]) -> AzureMLError:
    """Turn azure-identity's many lines into one, without anything that could be a secret.

    The chain (azure-identity 1.27, `_credentials/chained.py`) passes on its credentials' errors
    as text only: types and status codes are lost, so only the wording remains.
    """
    refusal = _REFUSAL.search(message)
    if refusal:
        credential, code = refusal.group(1) or "the credential", refusal.group(2)
        reason = _REASONS.get(code, f"see https://login.microsoftonline.com/error?code={code[6:]}")
        return AzureMLError(f"Azure refused the login of {credential} ({code}): {reason}")
    if "authority configuration" in message:
        return AzureMLError("Azure knows no tenant with the id in AZURE_TENANT_ID: check it")
    # A credential that was not set up may speak of connections too; one that failed stops the list.
    lines = (
        message.splitlines()
        if "Attempted credentials" not in message
        else [line for line in message.splitlines() if "Authentication failed" in line]
    )
    if any(sign in line for line in lines for sign in _NETWORK_SIGNS):
        return UnreachableError(
            "could not reach Azure to log in (login.microsoftonline.com), or it failed; check the "
            "network, HTTPS_PROXY and REQUESTS_CA_BUNDLE, or try again later",
            exit_code=FAILURE,
        )
    if "Authentication failed" in message:
        return AzureMLError(
            "Azure did not accept the login: check AZURE_TENANT_ID, AZURE_CLIENT_ID "
            "and AZURE_CLIENT_SECRET, or run `az login` again"
        )
    return NoLoginError(f"found no login to Azure{_hint(environment)}: {WAYS}")


def _hint(environment: Mapping[str, str]) -> str:
    unset = [name for name in SERVICE_PRINCIPAL if not environment.get(name)]
    if len(unset) in (1, 2):
        return f" ({' and '.join(unset)} not set)"
    if environment.get("AZUREML_SERVICE_PRINCIPAL_ID"):
        return " (AZUREML_SERVICE_PRINCIPAL_* are not read: name them AZURE_*)"
    return ""


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Mute these loggers' warnings and errors: the same is said in an exception."""
    levels = [(logging.getLogger(name), logging.getLogger(name).level) for name in loggers]
    for logger, _ in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
