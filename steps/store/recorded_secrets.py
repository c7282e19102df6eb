"""Mask the secrets that MLflow's client recorded before a step began.

`mlflow run -P data=https://user:password@…` records a parameter as it was given, and MLflow has no
way to change it. Where this process reaches the store itself (a database, a folder), it is masked
there. A server keeps it: the user is told what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import mlflow
from mlflow.entities import Run, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from steps.base import console
from steps.base.parameters import FROM_ENVIRONMENT, as_recorded, from_recorded, variable
from steps.base.secrets import masked
from steps.store import database, destination


def mask_opened() -> None:
    """Mask the run that `mlflow run` has opened for this process, if there is one.

    Not on Azure ML, where this process has no login yet: there `runs.open_run` does it.
    """
    run_id = os.environ.get(destination.RUN_ID)
    if run_id and not mlflow.get_tracking_uri().startswith(destination.AZURE):
        destination.join()
        mask(MlflowClient().get_run(run_id))


def mask(run: Run) -> None:
    """Mask the parameters and tags of a run, and warn of secrets among the parameters."""
    params, tags = _changed(run.data.params, as_masked), _changed(run.data.tags, masked)
    if not params and not tags:
        return
    uri = mlflow.get_tracking_uri()
    try:
        if database.is_server(uri) or database.file_of(uri):
            _in_database(uri, run.info.run_id, params, tags)
            reason = ""
        else:
            pairs = [RunTag(name, text) for name, text in tags.items()]
            MlflowClient().log_batch(run.info.run_id, tags=pairs)
            reason = _in_folder(uri, run, params)
    except (SQLAlchemyError, OSError) as error:
        reason = f"it could not be changed there ({type(error).__name__})"
    if params:
        console.warn(_said(sorted(params), run.info.run_id, reason))


def as_masked(recorded: str) -> str:
    """Mask a parameter as `mlflow run` records it: quoted as for a shell."""
    try:
        text = from_recorded(recorded)
    except ValueError:
        # Another program recorded it, unquoted.
        return masked(recorded)
    return masked(recorded) if masked(text) == text else as_recorded(masked(text))


def _changed(texts: Mapping[str, str], mask: Callable[[str], str]) -> dict[str, str]:
    return {name: mask(text) for name, text in texts.items() if mask(text) != text}


def _in_database(uri: str, run_id: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    # Of mlflow 3.15: its stores' own tables and engine.
    from mlflow.store.db.utils import create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.models import SqlParam, SqlTag

    engine = create_sqlalchemy_engine(uri)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                # Otherwise the old text stays in the file, as free space.
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
                connection.exec_driver_sql("PRAGMA busy_timeout = 20000")
            for kind, texts in ((SqlParam, params), (SqlTag, tags)):
                for name, text in texts.items():
                    here = (kind.run_uuid == run_id, kind.key == name)
                    connection.execute(update(kind).where(*here).values(value=text))
    finally:
        engine.dispose()


def _in_folder(uri: str, run: Run, params: Mapping[str, str]) -> str:
    """Mask parameters in a file store; return why that is not possible, "" if it is."""
    if destination.is_remote(uri):
        return f"{masked(uri)} lets nobody change it"
    folder = Path(local_file_uri_to_path(uri)) / run.info.experiment_id / run.info.run_id / "params"
    for name, text in params.items():
        with (folder / name).open("r+", encoding="utf-8") as file:
            file.truncate()
            file.write(text)
    return ""


def _said(names: list[str], run_id: str, reason: str) -> str:
    remedy = f"set {variable(names[0])} and give -P {names[0]}={FROM_ENVIRONMENT}"
    recorded = f"mlflow run recorded what may be a secret in {', '.join(names)} of run {run_id}"
    if not reason:
        return (
            f"{recorded}; it is masked there now, but this terminal and the list of processes "
            f"showed it: next time {remedy}"
        )
    return (
        f"{recorded}, and {reason}: make that secret invalid (a new password, a new signature), "
        f"delete the run for good (mlflow runs delete --run-id {run_id}, then mlflow gc where the "
        f"server runs), and next time {remedy}"
    )
