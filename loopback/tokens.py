"""Logins and bearer tokens, and how every service of the workspace checks them."""

from __future__ import annotations

import time
from typing import Any

import jwt
from aiohttp import web

from loopback.faults import Faults
from loopback.names import ARM_HOST, LOGIN_HOST, Names

# Whose token a request carries: the login, and the run of a job (None for a person).
USER = web.RequestKey("user", str)
JOB = web.RequestKey("job", object)
_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
_ANONYMOUS = ("/discovery", "/metadata/endpoints")


class Tokens:
    """Issue tokens to the workspace's users and to its jobs, and check the tokens of requests."""

    def __init__(self, names: Names, faults: Faults) -> None:
        self.names = names
        self.faults = faults

    def issue(self, subject: str, **claims: str) -> tuple[str, float]:
        """Return a token and its expiry time, in seconds since 1970."""
        now = time.time()
        expires = now + self.faults.token_lifetime
        payload = {
            "tid": self.names.tenant,
            "sub": subject,
            "issued": now,
            "exp": int(expires),
            **claims,
        }
        return jwt.encode(payload, self.names.account_key, algorithm="HS256"), expires

    def problem(self, request: web.Request) -> web.Response | None:
        """Return the refusal of a request without a good token, or None."""
        if request.host == LOGIN_HOST or request.path in _ANONYMOUS:
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return azure_error(
                401,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            )
        try:
            claims = jwt.decode(
                token,
                self.names.account_key,
                algorithms=["HS256"],
                options={"verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            return azure_error(
                401,
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time.",
            )
        except jwt.InvalidTokenError:
            return azure_error(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if claims["issued"] < self.faults.tokens_valid_from:
            return azure_error(
                401, "ExpiredAuthenticationToken", "The access token has been revoked."
            )
        audience = str(claims.get("aud", "")).rstrip("/")
        if request.host == ARM_HOST and audience and audience not in _AUDIENCES:
            return azure_error(
                401,
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource "
                f"'{audience}'. It should exactly match with one of the allowed audiences.",
            )
        request[USER] = claims["sub"]
        request[JOB] = claims.get("run")
        return None

    def is_for_storage(self, token: str) -> bool:
        """Return whether a token is valid, belongs to a user and is for the storage."""
        options: Any = {"verify_aud": False}
        try:
            claims = jwt.decode(token, self.names.account_key, ["HS256"], options)
        except jwt.InvalidTokenError:
            return False
        return str(claims.get("aud")) == "https://storage.azure.com"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/common/discovery/instance", self._instances),
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._openid),
            web.post("/{tenant}/oauth2/v2.0/token", self._login),
        ]

    async def _instances(self, _: web.Request) -> web.Response:
        # msal asks for this after a refused login, to look for tokens under other names.
        host = LOGIN_HOST
        names = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
        return web.json_response(
            {
                "tenant_discovery_endpoint": f"https://{host}/common/v2.0/.well-known/openid-configuration",
                "metadata": [names],
            }
        )

    async def _openid(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        if tenant != self.names.tenant:
            return _aad_error(
                400,
                "invalid_tenant",
                f"AADSTS90002: Tenant '{tenant}' not found. Check the tenant ID.",
            )
        base = f"https://{LOGIN_HOST}/{tenant}"
        return web.json_response(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "issuer": f"{base}/v2.0",
            }
        )

    async def _login(self, request: web.Request) -> web.Response:
        form = await request.post()
        client = str(form.get("client_id", ""))
        secret = self.names.users.get(client)
        if secret is None:
            return _aad_error(
                400,
                "unauthorized_client",
                f"AADSTS700016: Application with identifier '{client}' was not found in the "
                f"directory '{self.names.tenant}'.",
            )
        if self.faults.refuse_secrets:
            return _aad_error(
                401,
                "invalid_client",
                f"AADSTS7000222: The provided client secret keys for app '{client}' are expired.",
            )
        if form.get("client_secret") != secret:
            return _aad_error(
                401,
                "invalid_client",
                "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in "
                "the request is the client secret value, not the client secret ID, for a secret "
                f"added to app '{client}'.",
            )
        audience = str(form.get("scope", "")).split(" ")[0].removesuffix("/.default")
        token, expires = self.issue(client, aud=audience)
        lifetime = int(expires - time.time())
        return web.json_response(
            {
                "token_type": "Bearer",
                "expires_in": lifetime,
                "ext_expires_in": lifetime,
                "access_token": token,
            }
        )


def azure_error(status: int, code: str, message: str, **headers: str) -> web.Response:
    """Return an error in the form that Azure Resource Manager and Azure ML share."""
    return web.json_response(
        {"error": {"code": code, "message": message}}, status=status, headers=headers
    )


def _aad_error(status: int, error: str, description: str) -> web.Response:
    body: dict[str, Any] = {
        "error": error,
        "error_description": f"{description} Trace ID: 0 Correlation ID: 0",
        "error_codes": [int(description[len("AADSTS") : description.index(":")])],
    }
    return web.json_response(body, status=status)
