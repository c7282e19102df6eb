"""Data of the workspace as fsspec opens them: `azureml://datastores/<store>/paths/<path>`.

A data asset is `azureml://data/<name>/versions/<version>`, or `…/labels/latest`. The datastore
names the storage account, and this process's login opens it; adlfs does the rest
(`pip install '.[azure-data]'`).
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem

from mlflow_aml.config import AUTO, WorkspaceConfig, choose_config, config_from_uri
from mlflow_aml.errors import AzureMLError
from mlflow_aml.login import login
from mlflow_aml.resource_manager import ResourceManager, find_asset

AZURE = "azureml://"
_DATASTORE = re.compile(
    r"(?:subscriptions/(?P<subscription_id>[^/]+)/resourcegroups/(?P<resource_group>[^/]+)/"
    r"(?:providers/Microsoft\.MachineLearningServices/)?workspaces/(?P<workspace_name>[^/]+)/)?"
    r"datastores/(?P<store>[^/]+)/paths/(?P<path>.*)$",
    re.IGNORECASE,
)
_ASSET = re.compile(
    r"data/(?P<name>[^/]+)/(?:versions/(?P<version>[^/]+)|labels/latest)(?P<rest>/.*)?$"
)
BLOB_STORES = {"AzureBlob": "containerName", "AzureDataLakeGen2": "filesystem"}


class Credential:
    """The process's login, adapted to Azure's asynchronous clients."""

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return a token for the scopes."""
        return await asyncio.to_thread(login().get_token, *scopes, **options)

    async def close(self) -> None:
        """Do nothing: the login belongs to the process."""

    async def __aenter__(self) -> Credential:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class AzureMLFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Read and write what datastores hold, through the file system of each storage account."""

    protocol = "azureml"

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        filesystem, inner = self._place(path)
        return filesystem.open(inner, mode, **options)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Describe a file or folder.

        A file's etag is its version; `stored_as` is its path in the storage account; `asset` is
        `azureml:<name>:<version>` if the path is one of a data asset.
        """
        path = self._strip_protocol(path)
        address, asset = self._resolved(path)
        filesystem, inner = self._place(address)
        found: dict[str, Any] = filesystem.info(inner, **options)
        named = {"asset": asset} if asset else {}
        return {**found, "name": path, "stored_as": inner, **named}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """List a folder."""
        path = self._strip_protocol(path).rstrip("/")
        filesystem, inner = self._place(path)
        listed = [
            {**each, "name": path + each["name"].rstrip("/").removeprefix(inner.rstrip("/"))}
            for each in filesystem.ls(inner, detail=True, **options)
        ]
        return listed if detail else [each["name"] for each in listed]

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Copy a file within one datastore."""
        filesystem, source = self._place(path1)
        filesystem.cp_file(source, self._place(path2)[1], **options)

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        """Upload a file; it replaces an old one when it is there whole."""
        filesystem, inner = self._place(rpath)
        filesystem.put_file(lpath, inner)

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        filesystem, inner = self._place(path)
        filesystem.rm_file(inner)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: a folder exists only in the names of its blobs."""

    def _place(self, path: str) -> tuple[Any, str]:
        """Return the storage's own file system, and its path there, of a path."""
        path, _ = self._resolved(self._strip_protocol(path))
        found = _DATASTORE.match(path)
        if found is None:
            raise FileNotFoundError(
                f"expected {AZURE}datastores/<store>/paths/<path> or "
                f"{AZURE}data/<name>/versions/<version>, found {AZURE}{path}"
            )
        names = [found[key] for key in ("subscription_id", "resource_group", "workspace_name")]
        azure = self._workspace if names[0] is None else _manager(WorkspaceConfig(*names))
        filesystem, container = self._storage(azure, found["store"])
        return filesystem, f"{container}/{found['path']}"

    def _resolved(self, path: str) -> tuple[str, str]:
        """Return the path in a datastore of any path, and its data asset ("" for none)."""
        asset = _ASSET.match(path)
        if asset is None:
            return path, ""
        name, version = asset["name"], asset["version"]
        found = find_asset(self._workspace, name, version)
        if found is None:
            shown = f"azureml:{name}:{version}" if version else f"azureml:{name}@latest"
            raise FileNotFoundError(f"the workspace has no data asset {shown}")
        address = self._strip_protocol(str(found["properties"]["dataUri"])).rstrip("/")
        return address + (asset["rest"] or ""), f"azureml:{name}:{found['name']}"

    @cached_property
    def _workspace(self) -> ResourceManager:
        uri = os.environ.get("MLFLOW_TRACKING_URI", "")
        if uri.startswith(AZURE):
            return _manager(config_from_uri(uri))
        config = choose_config(AUTO, Path.cwd())
        if config is None:
            raise AzureMLError(
                f"{AZURE}… expects a config.json that names the workspace, found none; download it "
                "from the workspace's page in the portal"
            )
        return _manager(config)

    def _storage(self, azure: ResourceManager, store: str) -> tuple[Any, str]:
        key = (azure.scope, store)
        if key not in self._storages:
            self._storages[key] = _open_storage(azure, store)
        return self._storages[key]

    @cached_property
    def _storages(self) -> dict[tuple[str, str], tuple[Any, str]]:
        return {}


def _manager(config: WorkspaceConfig) -> ResourceManager:
    return ResourceManager(config, login())


def _open_storage(azure: ResourceManager, store: str) -> tuple[Any, str]:
    try:
        from adlfs import AzureBlobFileSystem
    except ImportError:
        raise AzureMLError(
            f"{AZURE}… expects the package adlfs, found none: pip install adlfs"
        ) from None
    found = azure.find(f"/datastores/{store}")
    if found is None:
        names: Iterable[dict[str, Any]] = azure.get("/datastores").get("value", [])
        known = ", ".join(sorted(str(item["name"]) for item in names))
        raise FileNotFoundError(f"the workspace has no datastore '{store}'; it has {known}")
    properties = found["properties"]
    kind = str(properties["datastoreType"])
    if kind not in BLOB_STORES:
        raise AzureMLError(
            f"datastore {store}: expected one of {', '.join(BLOB_STORES)}, found {kind}"
        )
    account = str(properties["accountName"])
    # A cached listing would hide later changes to a file.
    filesystem = AzureBlobFileSystem(
        account_name=account, credential=Credential(), use_listings_cache=False
    )
    return filesystem, str(properties[BLOB_STORES[kind]])
