"""What a failed login says, and when a token is asked for again."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from azure.core.credentials import AccessToken

from mlflow_aml.errors import UnreachableError
from mlflow_aml.login import Login, NoLoginError, explain, login, quiet

CHAIN = "DefaultAzureCredential failed to retrieve a token from the included credentials.\n"
NONE = (
    CHAIN + "Attempted credentials:\n\tEnvironmentCredential: EnvironmentCredential authentication "
    "unavailable. Environment variables are not fully configured.\n\tManagedIdentityCredential: "
    "ManagedIdentityCredential authentication unavailable, no connection to the IMDS endpoint.\n"
    "\tAzureCliCredential: Azure CLI not found on path\nTo mitigate this issue, see https://x"
)


def failed(credential: str, why: str) -> str:
    return f"{CHAIN}Attempted credentials:\n\t{credential}: {why}\nTo mitigate this issue, …"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            failed("EnvironmentCredential", "Authentication failed: AADSTS7000215: Invalid …"),
            r"EnvironmentCredential \(AADSTS7000215\): AZURE_CLIENT_SECRET is wrong",
        ),
        (
            failed("AzureCliCredential", "ERROR: AADSTS700082: The refresh token has expired"),
            r"AzureCliCredential \(AADSTS700082\): the sign-in has expired; run `az login` again",
        ),
        ("Authentication failed: AADSTS50034: no such user", "AADSTS50034.*error\\?code=50034"),
        (
            failed("EnvironmentCredential", "Authentication failed: Failed to resolve 'login'"),
            "could not reach Azure to log in",
        ),
        (
            failed(
                "EnvironmentCredential",
                "Authentication failed: Unable to get authority "
                "configuration for https://login.microsoftonline.com/x",
            ),
            "AZURE_TENANT_ID",
        ),
        (
            failed("EnvironmentCredential", "Authentication failed: HTTP Error: 503"),
            "could not reach Azure to log in .*, or it failed",
        ),
        (
            failed("EnvironmentCredential", "Authentication failed: something new"),
            "did not accept the login",
        ),
    ],
)
def test_refusals(message: str, words: str) -> None:
    error = explain(message, {})
    assert not isinstance(error, NoLoginError)
    with pytest.raises(type(error), match=words):
        raise error
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "found no login to Azure: set AZURE_TENANT_ID, AZURE_CLIENT_ID and"),
        (
            {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"},
            r"found no login to Azure \(AZURE_CLIENT_SECRET not set\): ",
        ),
        (
            {"AZUREML_SERVICE_PRINCIPAL_ID": "p"},
            r"\(AZUREML_SERVICE_PRINCIPAL_\* are not read: name them AZURE_\*\)",
        ),
    ],
)
def test_no_login_lists_the_ways(environment: dict[str, str], words: str) -> None:
    error = explain(NONE, environment)
    assert isinstance(error, NoLoginError)
    with pytest.raises(NoLoginError, match=words):
        raise error
    assert "az login" in str(error)


def test_a_token_is_kept_until_it_is_about_to_expire() -> None:
    asked: list[tuple[str, ...]] = []

    def ask(*scopes: str) -> AccessToken:
        asked.append(scopes)
        return AccessToken(f"token {len(asked)}", int(time.time()) + lifetime)

    lifetime = 3600
    login = Login(lambda: ask)
    assert login.get_token("a").token == login.get_token("a").token == "token 1"
    assert login.get_token("b").token == "token 2"
    login.forget()
    assert login.get_token("a").token == "token 3"
    lifetime = 60
    login = Login(lambda: ask)
    assert login.get_token("a").token != login.get_token("a").token


def test_a_login_that_does_not_answer_may_answer_later(monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Event()

    def ask(*_: object, **__: object) -> AccessToken:
        late.wait(10)
        return AccessToken("late", 0)

    monkeypatch.setattr("mlflow_aml.login.SECONDS_WITHOUT_TERMINAL", 0.05)
    monkeypatch.setattr("azure.identity.DefaultAzureCredential.get_token", ask)
    with pytest.raises(UnreachableError, match="did not answer the login"):
        login().get_token("a")
    late.set()
    for thread in threading.enumerate():
        if thread.name == "azure-login":
            thread.join()


def test_quiet_mutes_only_inside(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("azure.identity._credentials.chained")
    with quiet("azure.identity"):
        logger.warning("hidden")
    logger.warning("shown")
    assert [record.message for record in caplog.records] == ["shown"]
