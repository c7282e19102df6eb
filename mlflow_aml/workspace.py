"""The Azure ML workspace as a tracking server: its URI, this process's login to it, its pages."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import urlsplit

from mlflow_aml.config import WorkspaceConfig, config_from_uri
from mlflow_aml.errors import FAILURE, AzureMLError
from mlflow_aml.login import login, quiet
from mlflow_aml.resource_manager import (
    FORBIDDEN,
    NOT_FOUND,
    RefusedError,
    ResourceManager,
    current_cloud,
)

# Studio's address by the ending of the tracking host: one for each of Azure's clouds.
STUDIOS = {
    ".ml.azure.us": "https://ml.azure.us",
    ".ml.azure.cn": "https://studio.ml.azure.cn",
}
STUDIO = "https://ml.azure.com"
# Of both Azure's own answer and the tracking server: mlflow 2 and 3 speak the second.
ANSWERED, SPOKEN = "/mlflow/v1.0", "/mlflow/v2.0"


@dataclass(frozen=True)
class Workspace:
    """A workspace that this login can use: where its runs are, and Resource Manager about it."""

    tracking_uri: str
    azure: ResourceManager

    @property
    def api(self) -> str:
        """The address of its services."""
        return f"https://{urlsplit(self.tracking_uri).netloc}"


def find_workspace(config: WorkspaceConfig, uri: str | None = None) -> Workspace:
    """Find a workspace by its names, or by its tracking URI, which needs no request.

    mlflow uses this process's login with the URI from then on.
    """
    azure = ResourceManager(config, login())
    if uri is None:
        answered = _properties(azure, config)["mlFlowTrackingUri"]
        uri = str(answered).rstrip("?").replace(ANSWERED, SPOKEN)
    _hand_login_to_mlflow(uri)
    return Workspace(uri, azure)


def _properties(azure: ResourceManager, config: WorkspaceConfig) -> dict[str, str]:
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
                f"Azure forbids this login the {name}: ask its owner for the role AzureML Data "
                "Scientist"
            ) from None
        raise
    return properties


def tracking_uri(config: WorkspaceConfig) -> str:
    """Open the workspace with azureml-core, and give its MLflow tracking URI.

    mlflow uses this process's login with that URI from then on. If azureml-core fails, Resource
    Manager is asked for the reason.
    """
    import requests
    from azure.core.exceptions import AzureError
    from azureml.core import Workspace as CoreWorkspace
    from azureml.core.authentication import ArmTokenAuthentication
    from azureml.exceptions import AzureMLException
    from msrest.exceptions import ClientException

    token = login().get_token("https://management.azure.com/.default").token
    # azureml-core logs and raises: the exception is enough.
    with quiet("azureml._project._commands"):
        try:
            workspace = CoreWorkspace.get(
                config.workspace_name,
                # It asks the network for a cloud's addresses unless it is told the cloud's name.
                auth=ArmTokenAuthentication(token, cloud=current_cloud()),
                subscription_id=config.subscription_id,
                resource_group=config.resource_group,
            )
            uri: str = workspace.get_mlflow_tracking_uri().rstrip("?")
        except (AzureMLException, AzureError, ClientException, requests.RequestException) as error:
            _properties(ResourceManager(config, login()), config)
            raise AzureMLError(
                f"azureml-core could not open the workspace ({type(error).__name__}); try again "
                "later",
                exit_code=FAILURE,
            ) from None
    _hand_login_to_mlflow(uri)
    return uri


def use_login(tracking_uri: str) -> None:
    """Make mlflow use this process's login with an `azureml://` URI that came from elsewhere.

    Left alone, azureml-mlflow makes a login of its own, which waits for a browser or a device
    code even where there is no terminal.
    """
    # Ask once now: a login that fails must fail here, not after mlflow's retries.
    login().get_token("https://management.azure.com/.default")
    _hand_login_to_mlflow(tracking_uri)


def _hand_login_to_mlflow(tracking_uri: str) -> None:
    from azureml.mlflow import get_mlflow_tracking_uri_v2

    config = config_from_uri(tracking_uri)
    get_mlflow_tracking_uri_v2(
        SimpleNamespace(ml_flow_tracking_uri=tracking_uri),
        {
            "subscription_id": config.subscription_id,
            "resource_group_name": config.resource_group,
            "workspace_name": config.workspace_name,
            "auth": login(),
            "host_url": f"https://{urlsplit(tracking_uri).netloc}",
        },
    )


def studio_url(tracking_uri: str, run_id: str) -> str:
    """Give the address of a run's page in Azure ML Studio."""
    config = config_from_uri(tracking_uri)
    host = urlsplit(tracking_uri).hostname or ""
    studio = next((page for end, page in STUDIOS.items() if host.endswith(end)), STUDIO)
    return (
        f"{studio}/runs/{run_id}?wsid=/subscriptions/{config.subscription_id}"
        f"/resourcegroups/{config.resource_group}/workspaces/{config.workspace_name}"
    )
