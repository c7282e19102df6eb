"""Which tracking server a step uses: decided here, and nowhere else.

1. Inside an Azure ML job: what the environment says, untouched.
2. ``MLFLOW_TRACKING_URI`` names a remote server: that one.
3. The parameter ``workspace`` finds a ``config.json``: the Azure ML workspace it names.
4. Otherwise the local store.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow

from mlflow_aml.config import WorkspaceConfig, choose_config
from mlflow_aml.workspace import studio_url, tracking_uri, use_login
from steps.store.handover import RUN_ID, enter, use_experiment
from steps.store.runs import StepRun

AZURE = "azureml:"
REMOTE_SCHEMES = ("azureml", "http", "https", "databricks", "uc")
JOB = "AZUREML_RUN_ID"


@dataclass(frozen=True)
class Destination:
    """A tracking server, and why it was chosen."""

    uri: str
    reason: str


def is_remote(uri: str) -> bool:
    """Tell a tracking server from a local store."""
    return uri.partition(":")[0].lower() in REMOTE_SCHEMES


def choose(
    workspace: str, environ: Mapping[str, str], here: Path
) -> Destination | WorkspaceConfig | None:
    """Decide by the rules of this module; None stands for the local store.

    `workspace` is the parameter of that name, `here` the folder where a search starts.
    """
    given = environ.get("MLFLOW_TRACKING_URI", "")
    if JOB in environ:
        return Destination(given, "Azure ML job")
    if is_remote(given):
        return Destination(given, "MLFLOW_TRACKING_URI")
    return choose_config(workspace, here)


def connect(workspace: str) -> Destination:
    """Choose the tracking server for this process, and make MLflow use it.

    A step that `mlflow run` has started in the local store continues in the workspace.
    """
    chosen = choose(workspace, os.environ, Path.cwd())
    if chosen is None:
        return Destination(mlflow.get_tracking_uri(), "local store")
    if isinstance(chosen, WorkspaceConfig):
        uri = tracking_uri(chosen)
        enter(uri)
        return Destination(uri, f"workspace {chosen.workspace_name} of config.json")
    if chosen.uri.startswith(AZURE) and JOB not in os.environ:
        use_login(chosen.uri)
        if RUN_ID not in os.environ:
            use_experiment(None)
    return chosen


def where_to_look(server: Destination, run: StepRun) -> str:
    """Tell how to see a run."""
    if server.uri.startswith(AZURE):
        return f"see: {studio_url(server.uri, run.id)}"
    if server.uri.startswith(("http:", "https:")):
        return f"see: {server.uri}/#/experiments/{run.experiment_id}/runs/{run.id}"
    return f"see: mlflow ui --backend-store-uri {server.uri}  (run {run.id})"
