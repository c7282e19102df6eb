"""Which model `batch_score` means: by run, by URI, from the registry, or in a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.artifacts
from mlflow.exceptions import MlflowException

from steps.base import console
from steps.base.errors import FAILURE, StepError
from steps.base.parsers import LATEST
from steps.data import sources
from steps.store import registry
from steps.store.chain import Session, upstream
from steps.store.models import BEST_ESTIMATOR
from steps.store.runs import download, get_run

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class ModelChoice:
    """A model to score with: its URI, and the train run that made it if it is known here."""

    uri: str
    train_run: Run | None


def choose(chosen: str, session: Session) -> ModelChoice:
    """Settle which model a parameter means.

    `chosen` is `latest`, the id of a train run, `runs:/…`, `models:/…`, or a local model path.
    """
    if chosen == LATEST:
        run = upstream("train", LATEST, session)
        if run.data.tags.get("gate") == "failed":
            console.warn(f"the latest train run, {run.info.run_id}, missed its gate")
        return _of_run(run)
    if (Path(chosen) / "MLmodel").is_file():
        return ModelChoice(chosen, None)
    if in_run := re.fullmatch(r"runs:/([^/]+)/(.+)", chosen):
        return ModelChoice(chosen, get_run(session.client, in_run[1], "train"))
    if chosen.startswith("models:/"):
        return _registered(registry.resolve(chosen, session.client), session)
    if sources.scheme(chosen) or "/" in chosen or Path(chosen).exists():
        raise StepError(
            f"expected a model at {sources.without_query(chosen)}, found no MLmodel file there; "
            "give latest, a train run's id, runs:/<id>/best_estimator, models:/<name>/<version>, "
            "or the folder of a saved model"
        )
    return _of_run(get_run(session.client, chosen, "train"))


def _of_run(run: Run) -> ModelChoice:
    return ModelChoice(f"runs:/{run.info.run_id}/{BEST_ESTIMATOR}", run)


def _registered(version: ModelVersion, session: Session) -> ModelChoice:
    uri = registry.uri_of(version)
    return ModelChoice(uri, session.client.get_run(version.run_id) if version.run_id else None)


def fetch(choice: ModelChoice, session: Session) -> Path:
    """Give the local folder of a model, downloaded if need be."""
    if in_run := re.fullmatch(r"runs:/([^/]+)/(.+)", choice.uri):
        return download(session.client, in_run[1], in_run[2], session.folder)
    if choice.uri.startswith("models:/"):
        return _download(choice.uri, session.folder)
    return Path(choice.uri)


def _download(uri: str, folder: Path) -> Path:
    try:
        path = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
        # A store on this machine gives the place of what it should have, there or not.
        reason = "" if (path / "MLmodel").is_file() else "its files are gone"
    except (MlflowException, OSError) as error:
        reason = str(error)
    if reason:
        raise StepError(
            f"could not read {uri}: {reason}; if its run was deleted, delete the version too",
            exit_code=FAILURE,
        )
    return path


def registered_version(uri: str) -> str | None:
    """Give the version that the URI of a chosen model names, None if it is not registered."""
    in_registry = re.fullmatch(r"models:/[^/@]+/(\d+)", uri)
    return in_registry[1] if in_registry else None
