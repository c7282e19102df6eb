"""The scoring runs of a model: finding them, their predictions, and scores that come late."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from steps.base.errors import StepError
from steps.base.files import named_digest
from steps.base.parsers import LATEST
from steps.base.record import Record
from steps.data import sources
from steps.data.schema import Schema
from steps.scoring.input_files import InputFile, find_files
from steps.scoring.summary import PREDICTIONS
from steps.scoring.windows import Window
from steps.store import artifacts, model_file, runs
from steps.store.models import BEST_ESTIMATOR
from steps.store.scoring_model import REGISTERED

if TYPE_CHECKING:
    from mlflow.entities import Run

    from steps.scoring.late_labels import Joined
    from steps.store.chain import Session

SCORING = "batch_score"
# What a late score is of: the digest of the labels and their key.
LATE_LABELS, LATE_TOLD = "late.labels", "late.told"
# A run records a few thousand characters: so many are one answer.
AT_ONCE = 200
BLOCK = 1 << 20
_ARTIFACT = re.compile(rf"{PREDICTIONS}/[^/\\]*[^./\\][^/\\]*")
_RUN_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,254}", re.ASCII)


@dataclass(frozen=True)
class Watched:
    """Whose scoring runs to read: those with this tag; `shown` is what messages call it."""

    tag: str
    value: str
    shown: str


def settle(given: str, session: Session) -> Watched:
    """Settle which model a parameter means; the registry is not asked.

    An alias and `latest` of a registered model mean all its versions, a number that version alone.
    `latest` is the model of the newest scoring run.
    """
    if given == LATEST:
        return _of_newest(session)
    if REGISTERED.fullmatch(given):
        return Watched("model.uri", given, given)
    if name := re.fullmatch(r"models:/([^/@']+)(?:@[^/@]+|/latest)?", given):
        return Watched("model.name", name[1], f"the registered model {name[1]}")
    run_id = given
    if (Path(given) / model_file.MLMODEL).is_file():
        run_id = str(model_file.read_mlmodel(Path(given)).get("train_run_id", ""))
    elif in_run := re.fullmatch(r"runs:/([^/]+)/(.+)", given):
        run_id = in_run[1]
    if not _RUN_ID.fullmatch(run_id):
        raise StepError(
            f"expected a model, found {sources.without_secrets(given)}; give latest, a train run's "
            "id, runs:/<id>/best_estimator, models:/<name>@champion, models:/<name>/<version>, or "
            "the folder of a saved model"
        )
    return Watched("model.run_id", run_id, f"the model of run {run_id}")


def _of_newest(session: Session) -> Watched:
    wanted = f"tags.`{runs.STEP}` = '{SCORING}'"
    found = (
        run
        for run in runs.find_runs(session.client, session.experiment_id, wanted, at_once=AT_ONCE)
        if _is_scored(run)
    )
    newest = next(found, None)
    if newest is None:
        raise StepError(
            "expected batch_score runs in this experiment, found none; score something first"
        )
    tags = newest.data.tags
    if "model.name" in tags:
        return Watched("model.name", tags["model.name"], f"the model {tags['model.name']}")
    if "model.run_id" in tags:
        return Watched("model.run_id", tags["model.run_id"], f"the model of {tags['model.run_id']}")
    return Watched("model.uri", tags["model.uri"], tags["model.uri"])


def _is_scored(run: Run) -> bool:
    # Whatever the status: `mlflow run` fails a run whose drift was to fail it, and a job of Azure
    # ML that scores and then monitors is still running.
    return "rows_scored" in run.data.metrics


def find(watched: Watched, wanted: int | datetime, session: Session) -> dict[str, Run]:
    """Find the newest runs, or those since a time, by id, oldest first."""
    value = watched.value.replace("'", "")
    filtered = f"tags.`{runs.STEP}` = '{SCORING}' and tags.`{watched.tag}` = '{value}'"
    found: Iterator[Run] = filter(
        _is_scored,
        runs.find_runs(session.client, session.experiment_id, filtered, at_once=AT_ONCE),
    )
    if isinstance(wanted, int):
        found = islice(found, wanted)
    else:
        since = wanted.timestamp() * 1000
        # Compare the time here: servers differ in how a filter may name it.
        found = takewhile(lambda run: run.info.start_time >= since, found)
    newest_first = list(found)
    if not newest_first:
        time = "" if isinstance(wanted, int) else f" since {wanted:%Y-%m-%d}"
        raise StepError(
            f"expected batch_score runs of {watched.shown} in this experiment{time}, found none; "
            "score with it first, or name another model or time"
        )
    return {run.info.run_id: run for run in reversed(newest_first)}


def window_of(run: Run) -> Window:
    """Read a scoring run as a window."""
    return Window.of(run.info.run_id, run.info.start_time, run.data.metrics, run.data.tags)


def schema_of(train_run: str, session: Session) -> Schema:
    """Read the schema of the model that a train run has made."""
    runs.get_run(session.client, train_run, "train")
    folder = session.folder / f"schema-{train_run}"
    folder.mkdir(exist_ok=True)
    wanted = f"{BEST_ESTIMATOR}/{model_file.MLMODEL}"
    path = artifacts.download(session.client, train_run, wanted, folder)
    metadata = model_file.read_mlmodel(path.parent)
    if "schema" not in metadata:
        raise model_file.refused(path.parent, "one without its schema")
    return Schema.from_dict(metadata["schema"])


def predictions_of(run: Run, session: Session, folder: Path) -> tuple[InputFile, ...]:
    """Find the predictions that a run has kept, downloaded if they are artifacts.

    Raise StepError if they are gone, or are those of another run by now.
    """
    tags = run.data.tags
    if name := tags.get("predictions.artifact"):
        # Whoever can write to the store can write anything there.
        if not _ARTIFACT.fullmatch(name):
            raise StepError(f"expected the name of predictions as an artifact, found {name}")
        folder.mkdir(parents=True)
        return find_files(str(artifacts.download(session.client, run.info.run_id, name, folder)))
    if "predictions.path" not in tags:
        raise StepError("expected a run that kept its predictions, found none of them")
    files = find_files(tags["predictions.path"])
    digests = [(PurePosixPath(file.path).name, _digest(file)) for file in files]
    # A file has the digest of its content, a folder that of its files.
    if tags.get("predictions.digest") not in (named_digest(digests), digests[0][1]):
        raise StepError(
            f"expected its predictions in {files[0].shown}, found others: the file was "
            "written again"
        )
    return files


def _digest(file: InputFile) -> str:
    content = hashlib.sha256()
    with file.open() as opened:
        while block := opened.read(BLOCK):
            content.update(block)
    return content.hexdigest()


def write_late(joined: Joined, labels: str, window: Window, run: Run, session: Session) -> Window:
    """Write the scores of labels to the run whose predictions they are of; give it with them.

    What the run has already is not written again.
    """
    tags = {LATE_LABELS: labels, LATE_TOLD: str(joined)}
    metrics = {
        name: value for name, value in joined.metrics.items() if window.metrics.get(name) != value
    }
    opened = runs.StepRun(session.client, run.info.run_id, run.info.experiment_id)
    opened.log(Record(metrics=metrics, tags=tags))
    return replace(
        window, metrics={**window.metrics, **joined.metrics}, tags={**window.tags, **tags}
    )
