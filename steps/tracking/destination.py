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

import mlflow

from steps.tracking.runs import StepRun

REMOTE_SCHEMES = ("azureml", "http", "https", "databricks", "uc")


@dataclass(frozen=True)
class Destination:
    """A tracking server, why it was chosen, and the run that `mlflow run` opened there."""

    uri: str
    reason: str
    joins_run: bool
    is_job: bool = False


def is_remote(uri: str) -> bool:
    """Tell a tracking server from a local store."""
    return uri.partition(":")[0].lower() in REMOTE_SCHEMES


def choose(workspace: str, environ: Mapping[str, str]) -> Destination:
    """Decide by the rules of this module; `workspace` is the parameter of that name."""
    joins_run = "MLFLOW_RUN_ID" in environ
    given = environ.get("MLFLOW_TRACKING_URI", "")
    if "AZUREML_RUN_ID" in environ:
        return Destination(mlflow.get_tracking_uri(), "Azure ML job", joins_run, is_job=True)
    if is_remote(given):
        return Destination(given, "MLFLOW_TRACKING_URI", joins_run)
    reason = "MLFLOW_TRACKING_URI" if given else "MLflow's default"
    return Destination(mlflow.get_tracking_uri(), f"local store, {reason}", joins_run)


def connect(workspace: str) -> Destination:
    """Choose the tracking server for this process, and point MLflow at it if need be."""
    return choose(workspace, os.environ)


def where_to_look(server: Destination, run: StepRun) -> str:
    """Tell how to see a run."""
    if server.uri.startswith(("http:", "https:")):
        return f"see: {server.uri}/#/experiments/{run.experiment_id}/runs/{run.id}"
    return f"see: mlflow ui --backend-store-uri {server.uri}  (run {run.id})"
