"""A step's run in the Azure ML workspace, when the step was started for a local store.

`mlflow run` opens a run before the step can say where it wants to log. That run stays, with tags
that lead to the step's run in the workspace; `mlflow run` ends it as it ends every run.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

import mlflow
from mlflow.entities import Param, Run, RunTag
from mlflow.tracking import MlflowClient

from mlflow_aml.workspace import studio_url

# On the local run.
AZURE_RUN = "azure.run_id"
AZURE_STUDIO = "azure.studio_url"
# On the run in the workspace.
LOCAL_RUN = "azure.local_run_id"

DEFAULT_EXPERIMENT = "Default"
RUN_ID, EXPERIMENT_ID = "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"
EXPERIMENT_NAME, TRACKING_URI = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"


def enter(uri: str, environ: MutableMapping[str, str] = os.environ) -> None:
    """Make MLflow log to the workspace, and hand over the run that `mlflow run` opened, if any.

    Afterwards `environ` says what it would if `mlflow run` had been started with `uri`.
    """
    if RUN_ID in environ:
        _hand_over(uri, environ)
    else:
        _point_at(uri, environ)
        use_experiment(None, environ)


def _hand_over(uri: str, environ: MutableMapping[str, str]) -> None:
    local = MlflowClient()
    opened = local.get_run(environ[RUN_ID])
    experiment = local.get_experiment(opened.info.experiment_id).name
    _point_at(uri, environ)
    experiment_id = use_experiment(experiment, environ)
    run_id = _copy(opened, experiment_id)
    environ[RUN_ID], environ[EXPERIMENT_ID] = run_id, experiment_id
    for name, value in {AZURE_RUN: run_id, AZURE_STUDIO: studio_url(uri, run_id)}.items():
        local.set_tag(opened.info.run_id, name, value)


def _point_at(uri: str, environ: MutableMapping[str, str]) -> None:
    # For the whole process: azureml-mlflow's artifact client asks the default client's store.
    mlflow.set_tracking_uri(uri)
    environ[TRACKING_URI] = uri
    # The id of an experiment in the local store.
    environ.pop(EXPERIMENT_ID, None)


def use_experiment(name: str | None, environ: MutableMapping[str, str] = os.environ) -> str:
    """Log to an experiment of the workspace by name, made if need be; returns its id.

    MLflow's default is the id "0", which a workspace need not have.
    """
    wanted = name or environ.get(EXPERIMENT_NAME) or DEFAULT_EXPERIMENT
    experiment_id: str = mlflow.set_experiment(wanted).experiment_id
    return experiment_id


def _copy(opened: Run, experiment_id: str) -> str:
    """Make a run in the workspace with the parameters and tags of a local one."""
    client = MlflowClient()
    run_id: str = client.create_run(experiment_id, run_name=opened.info.run_name).info.run_id
    tags = {**opened.data.tags, LOCAL_RUN: opened.info.run_id}
    client.log_batch(
        run_id,
        params=[Param(name, value) for name, value in opened.data.params.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    return run_id
