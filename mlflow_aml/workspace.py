"""The Azure ML workspace as a tracking server: its URI, this process's login to it, its pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlflow_aml.config import WorkspaceConfig, config_from_uri
from mlflow_aml.errors import FAILURE, AzureMLError
from mlflow_aml.login import login, quiet

if TYPE_CHECKING:
    from azureml.core import Workspace

# Studio's address by the ending of the tracking host: one for each of Azure's clouds.
STUDIOS = {
    ".ml.azure.us": "https://ml.azure.us",
    ".ml.azure.cn": "https://studio.ml.azure.cn",
}
STUDIO = "https://ml.azure.com"


def open_workspace(config: WorkspaceConfig) -> tuple[Workspace, str]:
    """Open the workspace with this process's login; gives it and its MLflow tracking URI.

    mlflow uses the same login with that URI from then on. Each failure has its own message.
    """
    import requests
    from azure.core.exceptions import AzureError
    from azureml.core import Workspace
    from azureml.exceptions import AzureMLException, UserErrorException
    from msrest.exceptions import ClientException

    from mlflow_aml.authentication import LoginAuthentication

    # azureml-core 1.61 logs and raises: the exception is enough.
    with quiet("azureml._project._commands"):
        try:
            workspace = Workspace.get(
                config.workspace_name,
                auth=LoginAuthentication(login()),
                subscription_id=config.subscription_id,
                resource_group=config.resource_group,
            )
            return workspace, workspace.get_mlflow_tracking_uri().rstrip("?")
        except UserErrorException:
            raise AzureMLError(
                f"this login has no access to the subscription {config.subscription_id} of the "
                "workspace: check subscription_id, the tenant you logged in to, and that you have "
                "a role (AzureML Data Scientist, say) there"
            ) from None
        except (AzureMLException, AzureError, ClientException, requests.RequestException) as error:
            status = getattr(error, "status_code", "")
            raise explain_workspace(config, f"{status} {error}") from None


def explain_workspace(config: WorkspaceConfig, message: str) -> AzureMLError:
    """Say in one line why the workspace cannot be opened."""
    name = f"the workspace '{config.workspace_name}' of resource group '{config.resource_group}'"
    if "Workspace not found" in message:
        return AzureMLError(f"Azure knows no {name[4:]}: check config.json")
    if any(word in message for word in ("403", "Forbidden", "AuthorizationFailed")):
        return AzureMLError(
            f"Azure forbids this login {name}: ask its owner for the role AzureML Data Scientist"
        )
    if any(word in message for word in ("401", "Unauthorized", "ExpiredAuthentication")):
        return AzureMLError(f"Azure did not accept this login's token for {name}: log in again")
    return AzureMLError(
        f"could not reach Azure (management.azure.com) to open {name}, or it failed; check the "
        "network and HTTPS_PROXY, or try again later",
        exit_code=FAILURE,
    )


def tracking_uri(config: WorkspaceConfig) -> str:
    """Ask the workspace for its MLflow tracking URI, and make mlflow use this login with it."""
    return open_workspace(config)[1]


def use_login(tracking_uri: str) -> None:
    """Make mlflow use this process's login with an `azureml://` URI that came from elsewhere.

    Left alone, azureml-mlflow 1.62 makes a login of its own, which waits for a browser or a
    device code even where there is no terminal.
    """
    from azureml.mlflow import get_mlflow_tracking_uri_v2

    config = config_from_uri(tracking_uri)
    credential = login()
    # Ask once now: a login that fails must fail here, not after mlflow's retries.
    credential.get_token("https://management.azure.com/.default")
    get_mlflow_tracking_uri_v2(
        SimpleNamespace(ml_flow_tracking_uri=tracking_uri),
        {
            "subscription_id": config.subscription_id,
            "resource_group_name": config.resource_group,
            "workspace_name": config.workspace_name,
            "auth": credential,
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
