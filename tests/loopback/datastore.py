"""Files and data assets of the loopback workspace, made and read by a test."""

from __future__ import annotations

from loopback.names import BLOBSTORE
from loopback.workspace import LoopbackWorkspace

ROOT = "azureml://datastores/workspaceblobstore/paths/"


def put(workspace: LoopbackWorkspace, path: str, content: bytes) -> str:
    """Write a blob of the default datastore; returns its address."""
    workspace.run(workspace.storage.put(workspace.tracking.session, path, content, BLOBSTORE))
    return ROOT + path


def get(workspace: LoopbackWorkspace, path: str) -> bytes:
    """Read a blob of the default datastore."""
    return workspace.run(workspace.storage.get(workspace.tracking.session, path, BLOBSTORE))


def names(workspace: LoopbackWorkspace, prefix: str) -> list[str]:
    """List the blobs of the default datastore whose names have a prefix."""
    return workspace.run(workspace.storage.list(workspace.tracking.session, prefix, BLOBSTORE))


def make_asset(workspace: LoopbackWorkspace, name: str, uri: str, kind: str) -> str:
    """Make version 3 of a data asset; returns its short address."""
    workspace.resources.data[f"{name}/3"] = {"dataUri": uri, "dataType": kind}
    return f"azureml:{name}:3"
