"""Decide which tracking server a step uses; no other module does.

1. Inside an Azure ML job: the server of the environment, unchanged.
2. ``MLFLOW_TRACKING_URI`` names a remote server, or a database on one: that server.
3. The parameter ``workspace`` finds a ``config.json``: the Azure ML workspace it names.
4. Otherwise the local store.

`mlflow run` opens a run before the step can say where it wants to log. That run stays in the local
store, with tags that lead to the step's run in the workspace; `mlflow run` ends it as usual.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
from azure.core.exceptions import AzureError
from mlflow.entities import Param, Run, RunTag
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import DBAPIError

from mlflow_aml.config import WorkspaceConfig, choose_config
from mlflow_aml.workspace import studio_url, tracking_uri, use_login
from steps.base.errors import first_line
from steps.base.secrets import masked
from steps.report import origin
from steps.store import database
from steps.store.run_names import NAME, is_generated

AZURE = "azureml:"
REMOTE_SCHEMES = ("azureml", "http", "https", "databricks", "uc")
JOB = "AZUREML_RUN_ID"
BARS = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"

# On the local run.
AZURE_RUN = "azure.run_id"
AZURE_STUDIO = "azure.studio_url"
# On the run in the workspace.
LOCAL_RUN = "azure.local_run_id"

DEFAULT_EXPERIMENT = "Default"
RUN_ID, EXPERIMENT_ID = "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"
EXPERIMENT_NAME, TRACKING_URI = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"

# Where `mlflow ui` listens.
LOCAL_PAGES = "http://127.0.0.1:5000"

# Errors of MLflow, and of the Azure clients that it calls.
FAILURES = (MlflowException, AzureError)


@dataclass(frozen=True)
class Destination:
    """A tracking server, and why it was chosen."""

    uri: str
    reason: str


def is_remote(uri: str) -> bool:
    """Tell whether a tracking URI names a server, not a local store."""
    return uri.partition(":")[0].lower() in REMOTE_SCHEMES


def choose_destination(
    workspace: str, environ: Mapping[str, str], here: Path
) -> Destination | WorkspaceConfig | None:
    """Decide by the rules of this module; None stands for the local store.

    `workspace` is the parameter of that name, `here` the folder where a search starts.
    """
    given = environ.get("MLFLOW_TRACKING_URI", "")
    if JOB in environ:
        return Destination(given, "Azure ML job")
    if is_remote(given) or database.is_server(given):
        return Destination(given, "MLFLOW_TRACKING_URI")
    return choose_config(workspace, here)


def connect(workspace: str, name: str = "") -> Destination:
    """Choose the tracking server for this process, and make MLflow use it.

    A step that `mlflow run` has started in the local store continues in the workspace; the run that
    it leaves behind gets `name`, unless somebody has named it.
    """
    chosen = choose_destination(workspace, os.environ, Path.cwd())
    if chosen is None:
        uri = join()
        is_local = uri.partition(":")[0] in ("file", "sqlite") or "://" not in uri
        return Destination(uri, "local store" if is_local else TRACKING_URI)
    if isinstance(chosen, WorkspaceConfig):
        uri = tracking_uri(chosen)
        enter(uri, name)
        return Destination(uri, f"workspace {chosen.workspace_name} of config.json")
    database.open_or_create(chosen.uri)
    if chosen.uri.startswith(AZURE) and JOB not in os.environ:
        use_login(chosen.uri)
        if RUN_ID not in os.environ:
            use_experiment(None)
    return chosen


def join() -> str:
    """Prepare the tracking server that MLflow already uses in this process; return its URI."""
    uri = mlflow.get_tracking_uri()
    if uri.startswith(AZURE):
        if JOB not in os.environ:
            use_login(uri)
    elif not is_remote(uri):
        database.open_or_create(uri)
    return uri


def where_to_look(server: Destination, run_id: str, experiment_id: str) -> str:
    """Say where to see a run."""
    if page := run_page(server.uri, experiment_id, run_id):
        return f"see: {page}"
    page = origin.run_page(LOCAL_PAGES, experiment_id, run_id)
    return f"see: mlflow ui --backend-store-uri {server.uri}  and then {page}"


def run_page(uri: str, experiment_id: str, run_id: str) -> str:
    """Give the address of a run's page on a tracking server; "" for a local store."""
    if uri.startswith(AZURE):
        return studio_url(uri, run_id)
    return origin.run_page(uri, experiment_id, run_id)


@contextmanager
def without_bars() -> Iterator[None]:
    """Hide MLflow's progress bars of artifacts while the block runs, unless they are asked for."""
    given = BARS in os.environ
    os.environ.setdefault(BARS, "false")
    try:
        yield
    finally:
        if not given:
            del os.environ[BARS]


def quieten() -> None:
    """Silence MLflow's lines on database set-up, and its addresses, which some servers lack."""
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault(BARS, "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # MLflow 3.15 logs the traceback of each error of a database, and raises it too.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def message(error: BaseException) -> str:
    """Return the text of an error; for an Azure ML error, the answer of the service.

    Azure ML does not refuse in MLflow's format: MLflow shows the JSON of an unknown error. Of a
    database's error it shows the whole statement.
    """
    if isinstance(error, MlflowException) and isinstance(error.__cause__, DBAPIError):
        return (
            f"the database of runs failed: {first_line(error.__cause__.orig or error.__cause__)}; "
            "is its disk full, the file read-only, or its server gone?"
        )
    answer = error.json.get("error") if isinstance(error, RestException) else None
    if not isinstance(answer, dict) or "message" not in answer:
        return str(error)
    return f"Azure ML refused a request ({answer.get('code', 'no code')}): {answer['message']}"


def enter(uri: str, name: str = "", environ: MutableMapping[str, str] = os.environ) -> None:
    """Make MLflow log to the workspace, and hand over the run that `mlflow run` opened, if any.

    It leaves `environ` as if `mlflow run` had been started with `uri`.
    """
    if RUN_ID in environ:
        _hand_over(uri, name, environ)
    else:
        _point_at(uri, environ)
        use_experiment(None, environ)


def _hand_over(uri: str, name: str, environ: MutableMapping[str, str]) -> None:
    local = MlflowClient()
    opened = local.get_run(environ[RUN_ID])
    experiment = local.get_experiment(opened.info.experiment_id).name
    _point_at(uri, environ)
    experiment_id = use_experiment(experiment, environ)
    run_id = _copy(opened, experiment_id)
    environ[RUN_ID], environ[EXPERIMENT_ID] = run_id, experiment_id
    tags = {AZURE_RUN: run_id, AZURE_STUDIO: studio_url(uri, run_id)}
    if name and is_generated(opened.info.run_name or ""):
        tags[NAME] = name
    for tag, value in tags.items():
        local.set_tag(opened.info.run_id, tag, value)


def _point_at(uri: str, environ: MutableMapping[str, str]) -> None:
    # For the whole process: azureml-mlflow 1.62's artifact client asks the default store.
    mlflow.set_tracking_uri(uri)
    environ[TRACKING_URI] = uri
    # This id is valid only in the local store.
    environ.pop(EXPERIMENT_ID, None)


def use_experiment(name: str | None, environ: MutableMapping[str, str] = os.environ) -> str:
    """Log to an experiment of the workspace, creating it if needed, and return its id.

    MLflow's default is the id "0", which may not exist in a workspace.
    """
    wanted = name or environ.get(EXPERIMENT_NAME) or DEFAULT_EXPERIMENT
    experiment_id: str = mlflow.set_experiment(wanted).experiment_id
    return experiment_id


def _copy(opened: Run, experiment_id: str) -> str:
    """Create a run in the workspace with the parameters and tags of a local one, secrets masked."""
    client = MlflowClient()
    run_id: str = client.create_run(experiment_id, run_name=opened.info.run_name).info.run_id
    tags = {**opened.data.tags, LOCAL_RUN: opened.info.run_id}
    client.log_batch(
        run_id,
        params=[Param(name, masked(value)) for name, value in opened.data.params.items()],
        tags=[RunTag(name, masked(value)) for name, value in tags.items()],
    )
    return run_id
