"""Azure Resource Manager and the parts of the Azure ML API that describe the workspace."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from loopback.names import ARM_HOST, FORBIDDEN_WORKSPACE, LOGIN_HOST, Names
from loopback.tokens import JOB, USER, azure_error

_SCOPE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)"
    r"(?:/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace>[^/]+))?",
    re.IGNORECASE,
)
SCOPE = (
    "/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)


# Versions that azureml-core, azure-ai-ml and our backend request, and the stable ones between.
_VERSIONS = (
    "2022-05-01",
    "2022-10-01",
    "2023-04-01",
    "2023-04-01-preview",
    "2023-10-01",
    "2024-01-01-preview",
    "2024-04-01",
    "2024-04-01-preview",
    "2024-07-01-preview",
    "2024-10-01",
    "2024-10-01-preview",
    "2025-01-01-preview",
    "2025-04-01",
    "2025-06-01",
    "2025-09-01",
)
MOST_NODES = 4
# Requests that the role Reader may not make.
_WRITES = re.compile(
    r"^(PUT|PATCH|DELETE) |^POST \S+/(startPendingUpload|cancel|listSecrets|batch/metadata)$"
    r"|^POST \S+/mlflow/\S+/(create|update|delete|restore|log-[a-z-]+|set-[a-z-]+|delete-[a-z-]+)$"
)


class Management:
    """Answer what clients ask to find the workspace, its services and its computes."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def problem(self, request: web.Request) -> web.Response | None:
        """Refuse a request about any other workspace; return None for this one."""
        names = self.names
        if request.host == ARM_HOST:
            if request.get(JOB):
                return _forbidden(request)  # a job's token has no rights in Resource Manager
            if refusal := _wrong_version(request):
                return refusal
        if request.get(USER) == names.reader and _WRITES.search(f"{request.method} {request.path}"):
            return _forbidden(request, "write")
        if (found := _SCOPE.search(request.path)) is None:
            return None
        subscription, group, workspace = found["subscription"], found["group"], found["workspace"]
        if subscription.lower() != names.subscription:
            return azure_error(
                404,
                "SubscriptionNotFound",
                f"The subscription '{subscription}' could not be found.",
            )
        if group and group.lower() != names.resource_group:
            return azure_error(
                404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found."
            )
        if workspace == FORBIDDEN_WORKSPACE:
            return _forbidden(request)
        if workspace and workspace.lower() != names.workspace:
            return azure_error(
                404,
                "ResourceNotFound",
                f"The Resource 'Microsoft.MachineLearningServices/workspaces/{workspace}' "
                f"under resource group '{group}' was not found.",
            )
        return None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/metadata/endpoints", self._clouds),
            web.get("/subscriptions", self._subscriptions),
            web.get(SCOPE, self._workspace),
            web.get(SCOPE + "/computes", self._computes),
            web.get(SCOPE + "/computes/{compute}", self._compute),
            web.get("/discovery", self._discovery),
            web.get("/rp/workspaces" + SCOPE, self._workspace),
            web.get("/rp/workspaces" + SCOPE + "/computes", self._computes),
            web.get("/rp/workspaces" + SCOPE + "/computes/{compute}", self._compute),
        ]

    async def _clouds(self, _: web.Request) -> web.Response:
        cloud = {
            "name": "AzureCloud",
            "portal": "https://portal.azure.com",
            "resourceManager": f"https://{ARM_HOST}/",
            "authentication": {
                "loginEndpoint": f"https://{LOGIN_HOST}/",
                "audiences": [f"https://{ARM_HOST}/"],
            },
            "graphAudience": "https://graph.windows.net/",
            "suffixes": {"storage": "core.windows.net"},
        }
        return web.json_response([cloud])

    async def _subscriptions(self, _: web.Request) -> web.Response:
        subscription = {
            "id": f"/subscriptions/{self.names.subscription}",
            "subscriptionId": self.names.subscription,
            "tenantId": self.names.tenant,
            "displayName": "Loopback",
            "state": "Enabled",
        }
        return web.json_response({"value": [subscription]})

    async def _workspace(self, _: web.Request) -> web.Response:
        names = self.names
        providers = (
            f"/subscriptions/{names.subscription}/resourceGroups/{names.resource_group}/providers"
        )
        properties = {
            "friendlyName": names.workspace,
            "workspaceId": names.workspace_id,
            "discoveryUrl": f"{names.api_url}/discovery",
            "mlFlowTrackingUri": f"azureml://{names.api_host}/mlflow/v1.0{names.scope}",
            "storageAccount": f"{providers}/Microsoft.Storage/storageAccounts/{names.account}",
            "keyVault": f"{providers}/Microsoft.KeyVault/vaults/loopback",
            "applicationInsights": f"{providers}/Microsoft.Insights/components/loopback",
            "provisioningState": "Succeeded",
        }
        workspace = {
            "id": names.scope,
            "name": names.workspace,
            "location": names.region,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "sku": {"name": "Basic", "tier": "Basic"},
            "tags": {},
            "properties": properties,
        }
        return web.json_response(workspace)

    async def _discovery(self, _: web.Request) -> web.Response:
        services = ("api", "history", "experimentation", "modelmanagement", "hyperdrive")
        urls = dict.fromkeys(services, self.names.api_url)
        return web.json_response({**urls, "studio": "https://ml.azure.com"})

    async def _computes(self, _: web.Request) -> web.Response:
        return web.json_response({"value": [self._describe(name) for name in self.names.computes]})

    async def _compute(self, request: web.Request) -> web.Response:
        compute = request.match_info["compute"]
        if compute not in self.names.computes:
            return azure_error(
                404,
                "ComputeTargetNotFound",
                f"Compute Target with name {compute} not found in workspace.",
            )
        return web.json_response(self._describe(compute))

    def _describe(self, compute: str) -> dict[str, Any]:
        # azureml-core 1.61 indexes these keys: they must exist even where Azure says null.
        machine = dict.fromkeys(("subnet", "remoteLoginPortPublicAccess", "identity", "errors"))
        machine |= {"vmSize": "STANDARD_DS3_V2", "vmPriority": "Dedicated"}
        machine["scaleSettings"] = {
            "minNodeCount": 0,
            "maxNodeCount": MOST_NODES,
            "nodeIdleTimeBeforeScaleDown": "PT120S",
        }
        properties = dict.fromkeys(("description", "resourceId", "provisioningErrors"))
        properties |= {
            "computeType": "AmlCompute",
            "computeLocation": self.names.region,
            "isAttachedCompute": False,
            "provisioningState": "Succeeded",
            "properties": machine,
        }
        return {
            "id": f"{self.names.scope}/computes/{compute}",
            "name": compute,
            "location": self.names.region,
            "tags": {},
            "properties": properties,
        }


def _wrong_version(request: web.Request) -> web.Response | None:
    version = request.query.get("api-version")
    if version is None:
        return azure_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if "/Microsoft.MachineLearningServices/" in request.path and version not in _VERSIONS:
        return azure_error(
            400,
            "NoRegisteredProviderFound",
            "No registered resource provider found for location 'westeurope' and API version "
            f"'{version}'. The supported api-versions are '{', '.join(_VERSIONS)}'.",
        )
    return None


def _forbidden(request: web.Request, action: str = "read") -> web.Response:
    user = request.get(USER)
    return azure_error(
        403,
        "AuthorizationFailed",
        f"The client '{user}' with object id '{user}' does not have authorization to perform "
        f"action 'Microsoft.MachineLearningServices/workspaces/{action}' over scope "
        f"'{request.path}' or the scope is invalid. If access was recently "
        "granted, please refresh your credentials.",
    )
