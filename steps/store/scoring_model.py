"""Find the model for `batch_score`: by run, by URI, in the registry, or in a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from steps.base.errors import FAILURE, StepError
from steps.base.parsers import LATEST
from steps.data import sources
from steps.model import gate
from steps.store import artifacts, registry
from steps.store.chain import Session, upstream
from steps.store.models import BEST_ESTIMATOR
from steps.store.runs import get_run

if TYPE_CHECKING:
    from mlflow.entities import Run

REGISTERED = re.compile(r"models:/([^/@]+)/(\d+)")


@dataclass(frozen=True)
class ScoringModel:
    """A model to score with: its URI, and the train run that made it if it is known here."""

    uri: str
    train_run: Run | None = None

    @property
    def name(self) -> str | None:
        """The name of the registered model; None if it is not registered."""
        in_registry = REGISTERED.fullmatch(self.uri)
        return in_registry[1] if in_registry else None

    @property
    def version(self) -> str | None:
        """The version that the URI names; None if the model is not registered."""
        in_registry = REGISTERED.fullmatch(self.uri)
        return in_registry[2] if in_registry else None


def settle_model(given: str, session: Session) -> ScoringModel:
    """Settle which model a parameter means.

    `given` is `latest`, the id of a train run, `runs:/…`, `models:/…`, or a local model path.
    A model that missed its gate must be named: `latest` refuses it.
    """
    if given == LATEST:
        return _of_run(_checked(upstream("train", LATEST, session)))
    if (Path(given) / "MLmodel").is_file():
        return ScoringModel(given)
    if in_run := re.fullmatch(r"runs:/([^/]+)/(.+)", given):
        return ScoringModel(given, get_run(session.client, in_run[1], "train"))
    if given.startswith("models:/"):
        version = registry.resolve(given, session.client)
        run = session.client.get_run(version.run_id) if version.run_id else None
        return ScoringModel(registry.uri_of(version), run)
    if sources.scheme(given) or "/" in given or Path(given).exists():
        raise StepError(
            f"expected a model at {sources.without_secrets(given)}, found no MLmodel file there; "
            "give latest, a train run's id, runs:/<id>/best_estimator, models:/<name>/<version>, "
            "or the folder of a saved model"
        )
    return _of_run(get_run(session.client, given, "train"))


def _of_run(run: Run) -> ScoringModel:
    return ScoringModel(f"runs:/{run.info.run_id}/{BEST_ESTIMATOR}", run)


def _checked(latest: Run) -> Run:
    if latest.data.tags.get(gate.TAG) == gate.FAILED:
        run_id = latest.info.run_id
        raise StepError(
            f"expected the latest train run to have passed its gate, found that {run_id} missed "
            f"it; train a better model, or score with this one by its id (-P model={run_id})"
        )
    return latest


def download_model(model: ScoringModel, session: Session) -> Path:
    """Return the local folder of a model, downloading it if needed."""
    if in_run := re.fullmatch(r"runs:/([^/]+)/(.+)", model.uri):
        return artifacts.download(session.client, in_run[1], in_run[2], session.folder)
    if model.uri.startswith("models:/"):
        return _download(model.uri, session.folder)
    return Path(model.uri)


def _download(uri: str, folder: Path) -> Path:
    try:
        path = artifacts.fetch(uri, folder)
        # A local store returns the path of a model even if the files are gone.
        reason = "" if (path / "MLmodel").is_file() else "its files are gone"
    except (MlflowException, OSError) as error:
        reason = str(error)
    if reason:
        raise StepError(
            f"could not read {uri}: {reason}; if its run was deleted, delete the version too",
            exit_code=FAILURE,
        )
    return path
