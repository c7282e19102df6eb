"""The Azure ML workspace as a tracking server: its URI, this process's login to it, its pages."""

from __future__ import annotations

import os
from types import SimpleNamespace
from urllib.parse import urlsplit

from mlflow_aml.config import WorkspaceConfig, config_from_uri
from mlflow_aml.errors import FAILURE, AzureMLError
from mlflow_aml.login import login, quiet

# Studio's address by the ending of the tracking host: one for each of Azure's clouds.
STUDIOS = {
    ".ml.azure.us": "https://ml.azure.us",
    ".ml.azure.cn": "https://studio.ml.azure.cn",
}
STUDIO = "https://ml.azure.com"


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

    from mlflow_aml.resource_manager import ResourceManager, current_cloud, properties_of

    token = login().get_token("https://management.azure.com/.default").token
    # azureml-core 1.61 logs and raises: the exception is enough.
    with quiet("azureml._project._commands"):
        try:
            workspace = CoreWorkspace.get(
                config.workspace_name,
                # Without the cloud's name, it looks up the cloud's addresses over the network.
                auth=ArmTokenAuthentication(token, cloud=current_cloud()),
                subscription_id=config.subscription_id,
                resource_group=config.resource_group,
            )
            uri: str = workspace.get_mlflow_tracking_uri().rstrip("?")
        except (AzureMLException, AzureError, ClientException, requests.RequestException) as error:
            properties_of(ResourceManager(config, login()), config)
            raise AzureMLError(
                f"azureml-core could not open the workspace ({type(error).__name__}); try again "
                "later",
                exit_code=FAILURE,
            ) from None
    hand_login_to_mlflow(uri)
    return uri


def use_login(tracking_uri: str) -> None:
    """Make mlflow use this process's login with an `azureml://` URI that came from elsewhere.

    By itself, azureml-mlflow 1.62 creates its own login, which waits for a browser or a device
    code even without a terminal.
    """
    # Ask once now, so that a login fails here and not after mlflow's retries.
    login().get_token("https://management.azure.com/.default")
    hand_login_to_mlflow(tracking_uri)


def hand_login_to_mlflow(tracking_uri: str) -> None:
    """Make mlflow use this process's login with a tracking URI, whenever it will need it."""
    from azureml.mlflow import get_mlflow_tracking_uri_v2

    from mlflow_aml.resource_manager import current_cloud

    # Without the cloud's name, azureml-mlflow 1.62 looks up all clouds' addresses online.
    os.environ.setdefault("AZUREML_CURRENT_CLOUD", current_cloud())
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
    """Return the address of a run's page in Azure ML Studio."""
    config = config_from_uri(tracking_uri)
    host = urlsplit(tracking_uri).hostname or ""
    studio = next((page for end, page in STUDIOS.items() if host.endswith(end)), STUDIO)
    return (
        f"{studio}/runs/{run_id}?wsid=/subscriptions/{config.subscription_id}"
        f"/resourcegroups/{config.resource_group}/workspaces/{config.workspace_name}"
    )
