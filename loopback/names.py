"""The names, addresses and secrets of one loopback workspace."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from azure.storage.blob import (
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

LOGIN_HOST = "login.microsoftonline.com"
ARM_HOST = "management.azure.com"
# Of artifacts and logs, and of the default datastore.
CONTAINER, BLOBSTORE = "azureml", "azureml-blobstore"
FORBIDDEN_WORKSPACE = "forbidden"


def _users() -> dict[str, str]:
    return {str(uuid.uuid4()): secrets.token_urlsafe(24) for _ in range(3)}


@dataclass(frozen=True)
class Names:
    """What a client must know of the workspace; secrets and workspace id are new at every start."""

    tenant: str = "6f3a1c52-0d6b-4c1e-9a51-7f4f0c2c9b01"
    subscription: str = "2b8e4d17-5c39-4f0a-8d6e-3a9b7c1d2e02"
    resource_group: str = "loopback-group"
    workspace: str = "loopback-workspace"
    region: str = "westeurope"
    account: str = "loopbackstorage"
    computes: tuple[str, ...] = ("cpu-cluster", "gpu-cluster")
    workspace_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    account_key: str = field(
        default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode()
    )
    users: dict[str, str] = field(default_factory=_users)
    """client id -> client secret; the first one is the default user, the last may only read."""

    @property
    def reader(self) -> str:
        """The client id of the user whose role is Reader."""
        return list(self.users)[-1]

    @property
    def scope(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def api_host(self) -> str:
        return f"{self.region}.api.azureml.ms"

    @property
    def blob_host(self) -> str:
        return f"{self.account}.blob.core.windows.net"

    @property
    def api_url(self) -> str:
        return f"https://{self.api_host}"

    @property
    def tracking_uri(self) -> str:
        """The workspace's MLflow tracking URI as azureml-core builds it."""
        return f"azureml://{self.api_host}/mlflow/v2.0{self.scope}?"

    @property
    def artifact_root(self) -> str:
        return f"azureml://{self.api_host}/mlflow/v2.0{self.scope}/experiments"

    def config_json(self) -> str:
        """Return the config.json that the workspace's page would offer for download."""
        config = {
            "subscription_id": self.subscription,
            "resource_group": self.resource_group,
            "workspace_name": self.workspace,
        }
        return json.dumps(config, indent=4) + "\n"

    def account_sas(self, permission: str = "rlc") -> str:
        """Return a SAS to create containers and to list and read their blobs with."""
        return generate_account_sas(
            self.account,
            self.account_key,
            ResourceTypes(container=True, object=True),
            permission,
            datetime.now(UTC) + timedelta(hours=1),
        )

    def container_url(self, container: str, permission: str) -> tuple[str, str]:
        """Return the product-style address of a container, without and with a real SAS."""
        sas = generate_container_sas(
            self.account,
            container,
            account_key=self.account_key,
            permission=permission,
            expiry=datetime.now(UTC) + timedelta(hours=8),
        )
        address = f"https://{self.blob_host}/{container}"
        return address, f"{address}?{sas}"

    def blob_url(self, blob: str, permission: str, container: str = CONTAINER) -> str:
        """Return the product-style address of a blob with a real SAS for `r` or `rcw`."""
        sas = generate_blob_sas(
            self.account,
            container,
            blob,
            account_key=self.account_key,
            permission=permission,
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        return f"https://{self.blob_host}/{container}/{quote(blob)}?{sas}"
