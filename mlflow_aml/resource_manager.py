"""Requests to Azure Resource Manager and the workspace's services, and what their errors mean.

azure-core's pipeline tries again what may succeed (429, 503, a cut connection), waits as long as
`Retry-After` says, and keeps tokens and signatures out of its log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azure.core import AzureClouds
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy, ARMHttpLoggingPolicy
from azure.mgmt.core.tools import get_arm_endpoints

from mlflow_aml.config import WorkspaceConfig
from mlflow_aml.errors import FAILURE, AzureMLError, UnreachableError
from mlflow_aml.login import Login, login
from mlflow_aml.mask import masked

# A stable version that has all that is used here; the body of a job is the same in later ones.
API_VERSION = "2024-10-01"
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, BUSY = 401, 403, 404, 409, 429
CLOUDS = {
    "AzureCloud": AzureClouds.AZURE_PUBLIC_CLOUD,
    "AzureChinaCloud": AzureClouds.AZURE_CHINA_CLOUD,
    "AzureUSGovernment": AzureClouds.AZURE_US_GOVERNMENT,
}
DEFAULT_CLOUD = "AzureCloud"
_LONGEST_ANSWER = 1000
# The tracking server of Azure's own answer, and the one that mlflow 2 and 3 speak to.
ANSWERED, SPOKEN = "/mlflow/v1.0", "/mlflow/v2.0"


class RefusedError(AzureMLError):
    """Azure refused a request; `status` and `code` are its own."""

    def __init__(self, message: str, status: int, code: str, exit_code: int) -> None:
        super().__init__(message, exit_code=exit_code)
        self.status = status
        self.code = code


class ResourceManager:
    """A session with Resource Manager for one workspace, and with the workspace's services."""

    def __init__(self, config: WorkspaceConfig, login: Login) -> None:
        endpoints = get_arm_endpoints(CLOUDS[current_cloud()])
        self._host = endpoints["resource_manager"].rstrip("/")
        self.scope = (
            f"/subscriptions/{config.subscription_id}/resourceGroups/{config.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{config.workspace_name}"
        )
        self._login = login
        self._client: ARMPipelineClient[HttpRequest, HttpResponse] = ARMPipelineClient(
            self._host,
            policies=[
                policies.RequestIdPolicy(),
                policies.HeadersPolicy({"Accept": "application/json"}),
                policies.UserAgentPolicy("mlflow-aml"),
                policies.RetryPolicy(),
                ARMChallengeAuthenticationPolicy(login, *endpoints["credential_scopes"]),
                ARMHttpLoggingPolicy(),
            ],
        )

    def get(self, path: str = "", **query: str) -> dict[str, Any]:
        """Read a resource of the workspace, by its path below the workspace's own."""
        return self._managed("GET", path, None, query)

    def find(self, path: str, **query: str) -> dict[str, Any] | None:
        """Read a resource, or None if there is none of that name."""
        try:
            return self.get(path, **query)
        except RefusedError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a resource."""
        return self._managed("PUT", path, body, {})

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask for an action on a resource."""
        return self._managed("POST", path, body, {})

    def get_url(self, url: str) -> dict[str, Any]:
        """Read from a service of the workspace, by its whole address."""
        return self._send(HttpRequest("GET", url))

    def _managed(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]
    ) -> dict[str, Any]:
        params = {"api-version": API_VERSION, **query}
        url = f"{self._host}{self.scope}{path}"
        return self._send(HttpRequest(method, url, params=params, json=body))

    def _send(self, request: HttpRequest) -> dict[str, Any]:
        try:
            answer = self._client.send_request(request)
            if answer.status_code == UNAUTHORIZED:
                # Azure may refuse a token before it expires; with a new one the request may pass.
                self._login.forget()
                answer = self._client.send_request(request)
            answer.raise_for_status()
            content = answer.json() if answer.content else {}
        except HttpResponseError as error:
            raise explain(error) from None
        except AzureError as error:
            raise UnreachableError(
                f"could not reach Azure ({urlsplit(request.url).netloc}): {type(error).__name__}; "
                "check the network and HTTPS_PROXY, or try again later",
                exit_code=FAILURE,
            ) from None
        return content if isinstance(content, dict) else {}


def current_cloud() -> str:
    """Return the name of the cloud that is in use, as azureml-core names it."""
    name = os.environ.get("AZUREML_CURRENT_CLOUD") or DEFAULT_CLOUD
    if name not in CLOUDS:
        raise AzureMLError(
            f"AZUREML_CURRENT_CLOUD: expected one of {', '.join(CLOUDS)}, found '{name}'"
        )
    return name


def explain(error: HttpResponseError) -> RefusedError:
    """Explain a refusal in one line that includes Azure's own message."""
    status = error.status_code or 0
    code = str(getattr(error.error, "code", None) or "no code")
    said = " ".join(masked(str(getattr(error.error, "message", None) or error.reason)).split())
    words = f"({status} {code}): {said[:_LONGEST_ANSWER]}"
    if status == UNAUTHORIZED:
        text = f"Azure did not accept this login's token {words}; log in again"
    elif status == FORBIDDEN and code == "AuthorizationFailed":
        text = (
            f"Azure does not let this login do that {words}; ask the workspace's owner for the "
            "role AzureML Data Scientist"
        )
    elif status == BUSY:
        text = f"Azure gets too many requests {words}; try again in some minutes"
    elif status >= 500:
        text = f"Azure failed {words}; try again later"
    else:
        text = f"Azure refused {words}"
    exit_code = FAILURE if status == BUSY or status >= 500 else 2
    return RefusedError(text, status, code, exit_code)


@dataclass(frozen=True)
class Workspace:
    """A workspace that this login can use: its tracking URI and its Resource Manager session."""

    tracking_uri: str
    azure: ResourceManager

    @property
    def api(self) -> str:
        """The address of its services."""
        return f"https://{urlsplit(self.tracking_uri).netloc}"


def find_workspace(config: WorkspaceConfig, uri: str | None = None) -> Workspace:
    """Find a workspace by its names, or by its tracking URI, which needs no request."""
    azure = ResourceManager(config, login())
    if uri is None:
        answered = properties_of(azure, config)["mlFlowTrackingUri"]
        uri = str(answered).rstrip("?").replace(ANSWERED, SPOKEN)
    return Workspace(uri, azure)


def find_asset(
    azure: ResourceManager, name: str, version: str | None, kind: str = "data"
) -> dict[str, Any] | None:
    """Read a version of an asset, or the latest one; None if there is none."""
    if version is None:
        container = azure.find(f"/{kind}/{name}") or {}
        version = str(container.get("properties", {}).get("latestVersion") or "")
    return azure.find(f"/{kind}/{name}/versions/{version}") if version else None


def properties_of(azure: ResourceManager, config: WorkspaceConfig) -> dict[str, str]:
    """Ask Resource Manager about the workspace; each failure has its own message."""
    name = f"workspace '{config.workspace_name}' of resource group '{config.resource_group}'"
    try:
        properties: dict[str, str] = azure.get()["properties"]
    except RefusedError as error:
        if error.code in ("SubscriptionNotFound", "InvalidSubscriptionId"):
            raise AzureMLError(
                f"this login has no access to the subscription {config.subscription_id} of the "
                "workspace: check subscription_id, the tenant you logged in to, and that you have "
                "a role (AzureML Data Scientist, say) there"
            ) from None
        if error.status == NOT_FOUND:
            raise AzureMLError(f"Azure knows no {name}: check config.json") from None
        if error.status == FORBIDDEN and error.code == "AuthorizationFailed":
            raise AzureMLError(
                f"Azure does not let this login use the {name}: ask its owner for the role "
                "AzureML Data Scientist"
            ) from None
        raise
    return properties
