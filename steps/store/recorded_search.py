"""A search from its settings to its complete record: the one call that train makes.

It takes over what an interrupted search of the same key has left: its finished candidates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.exceptions import MlflowException

from steps.base import console
from steps.model.dask_executor import ClusterExecutor
from steps.model.executors import Executor, LocalExecutor
from steps.model.fitted_search import FittedSearch, refitted, unfitted_search
from steps.model.fitting import CandidateResult, Work
from steps.model.grid import Candidate, SearchSettings
from steps.model.search_loop import Span, fit_all
from steps.report import search_record as record
from steps.store.children import (
    CANDIDATE,
    CANDIDATE_OF,
    FOLDS,
    KILLED,
    PARENT,
    ChildRuns,
    ParentRun,
    candidate_id,
)
from steps.store.runs import FINISHED, KEY, RUNNING, StepRun, find_runs


@dataclass(frozen=True)
class Execution:
    """How to carry a search out; none of it changes the result."""

    jobs: int = 1
    scheduler: str | None = None
    resume: bool = True


def search(
    settings: SearchSettings, work: Work, execution: Execution, run: StepRun, folder: Path
) -> FittedSearch:
    """Search, logging to `run` and its child runs all that autolog would; files go by `folder`.

    Gives scikit-learn's search object as after its own `fit`.
    """
    candidates = settings.candidates()
    console.say(f"search: {len(candidates)} candidates, {settings.folds} folds each")
    described = unfitted_search(work, settings)
    begun = run.client.get_run(run.id).data
    settled = record.search_settings(described, begun.params)
    run.log(settled)
    tags = {**begun.tags, **settled.tags}
    _log_training_data(run, work, tags)
    parent = ParentRun(run, tags, work.families, settings.metric)
    known = finished_candidates(run, tags[KEY], candidates) if execution.resume else {}
    if known:
        console.say(f"search: {len(known)} of them taken over from an interrupted run")
    with (
        console.progress(len(candidates), "candidates", "search") as bar,
        ChildRuns(parent, candidates, bar) as children,
    ):
        for index, earlier in sorted(known.items()):
            if earlier.parent == run.id:
                children.keep(index, earlier.outcome, earlier.run_id)
            else:
                children.adopt(index, earlier.outcome, earlier.span, earlier.run_id)
        with _executor(work, execution) as executor:
            taken = {index: earlier.outcome for index, earlier in known.items()}
            outcomes = fit_all(candidates, executor, children, taken)
        found = refitted(described, work, candidates, outcomes)
        children.rank(found)
        # Drawn while the last child runs are on their way.
        files = folder / "search"
        files.mkdir()
        run.log(record.search_results(found, work, files))
    return found


def _executor(work: Work, execution: Execution) -> AbstractContextManager[Executor]:
    if execution.scheduler is not None:
        return ClusterExecutor(work, execution.scheduler, execution.jobs)
    return LocalExecutor(work, execution.jobs)


def _log_training_data(run: StepRun, work: Work, tags: Mapping[str, str]) -> None:
    """Log what the search is trained on: shape, columns and digest, as autolog does."""
    data = from_pandas(work.features, source=CodeDatasetSource(dict(tags)))
    context = InputTag("mlflow.data.context", "train")
    inputs = [DatasetInput(Dataset(**data.to_dict()), [context])]
    try:
        run.client.log_inputs(run.id, inputs)
    except MlflowException:
        # MLflow 3.15's SQL store looks for the data set and then adds it: of two trainings that
        # start together the second fails to add what now is there. Other reasons show again.
        run.client.log_inputs(run.id, inputs)


@dataclass(frozen=True)
class Earlier:
    """A candidate that has been fitted before: by which run, when, with which result."""

    run_id: str
    parent: str
    outcome: CandidateResult
    span: Span


def finished_candidates(
    run: StepRun, key: str, candidates: Sequence[Candidate]
) -> dict[int, Earlier]:
    """Find the candidates that interrupted runs with this step key have finished, by position.

    Runs that ended FINISHED are left alone: fitting them again is what was asked for then. This
    run may have been interrupted itself: a job whose node is taken away starts again as it was.
    What it was fitting then ends as KILLED.
    """
    same_key = find_runs(run.client, run.experiment_id, f"tags.`{KEY}` = '{key}'")
    interrupted = {found.info.run_id for found in same_key if found.info.status != FINISHED}
    positions = {candidate_id(candidate): index for index, candidate in enumerate(candidates)}
    earlier: dict[int, Earlier] = {}
    for child in find_runs(run.client, run.experiment_id, f"tags.`{CANDIDATE_OF}` = '{key}'"):
        parent = child.data.tags.get(PARENT)
        if parent == run.id and child.info.status == RUNNING:
            run.client.set_terminated(child.info.run_id, KILLED)
        index = positions.get(child.data.tags.get(CANDIDATE, ""))
        wanted = child.info.status == FINISHED and parent in interrupted
        if wanted and index is not None and (index not in earlier or parent == run.id):
            earlier[index] = _read(child)
    return earlier


def _read(child: Run) -> Earlier:
    scores = {
        name.removeprefix(FOLDS): tuple(json.loads(value))
        for name, value in child.data.tags.items()
        if name.startswith(FOLDS)
    }
    span = Span(child.info.start_time / 1000, child.info.end_time / 1000)
    parent = child.data.tags[PARENT]
    return Earlier(child.info.run_id, parent, CandidateResult(scores), span)
