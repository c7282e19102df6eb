"""A search from its settings to its complete record: the one call that train makes.

It takes over what an interrupted search of the same key has left: its finished candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, Run

from steps.base import console
from steps.model.dask_executor import ClusterExecutor
from steps.model.executors import Executor
from steps.model.fitted_search import FittedSearch, refitted, unfitted_search
from steps.model.fitting import CandidateResult
from steps.model.fold_data import Work
from steps.model.grid import SearchSettings
from steps.model.local_executor import LocalExecutor
from steps.model.search_loop import Span, fit_all
from steps.model.sources import Halving, Listed, Source
from steps.model.tpe import Learned
from steps.report import search_record as record
from steps.store.children import (
    CANDIDATE,
    CANDIDATE_OF,
    KILLED,
    PRUNED,
    ChildRuns,
    ParentRun,
    candidate_id,
)
from steps.store.fold_tags import read_fold_tags
from steps.store.runs import FINISHED, KEY, PARENT, RUNNING, StepRun, find_runs
from steps.store.training_data import training_data


@dataclass(frozen=True)
class Execution:
    """How to carry a search out; none of it changes the result."""

    jobs: int = 1
    scheduler: str | None = None
    resume: bool = True


def search(
    settings: SearchSettings,
    work: Work,
    execution: Execution,
    run: StepRun,
    folder: Path,
    table: str,
) -> FittedSearch:
    """Search, logging to `run` and its child runs all that autolog would; files go by `folder`.

    `table` is where the rows come from. Gives scikit-learn's search object as after its own `fit`.
    """
    described = unfitted_search(work, settings)
    begun = run.client.get_run(run.id).data
    settled = record.search_settings(described, begun.params)
    run.log(settled)
    tags = {**begun.tags, **settled.tags}
    _log_training_data(run, training_data(work.features, table))
    parent = ParentRun(run, tags, work.families, settings.metric)
    left = finished_children(run, tags[KEY]) if execution.resume else []
    source, known = _take_over(settings, work, left)
    console.say(f"search: {source.total} candidates, {settings.folds} folds each")
    if known:
        console.say(f"search: {len(known)} of them are finished, from an interrupted run")
    with (
        console.progress(source.total, "candidates", "search") as bar,
        ChildRuns(parent, source, bar) as children,
    ):
        for index, earlier in sorted(known.items()):
            if earlier.parent == run.id:
                children.continue_with(index, earlier.outcome, earlier.run_id)
            else:
                children.adopt(index, earlier.outcome, earlier.span, earlier.run_id)
        with _executor(work, execution) as executor:
            taken = {index: earlier.outcome for index, earlier in known.items()}
            outcomes = fit_all(source, executor, children, taken, settings.metric)
        fitted = refitted(described, work, source, outcomes, settings.metric, execution.jobs)
        children.rank(fitted)
        # Drawn while the last child runs are on their way.
        files = folder / "search"
        files.mkdir()
        run.log(record.search_results(fitted, work, files))
    return fitted


def _take_over(
    settings: SearchSettings, work: Work, left: Sequence[Run]
) -> tuple[Source, dict[int, Earlier]]:
    """Make the source of candidates, and tell it of those that are known from before."""
    known: dict[int, Earlier] = {}
    if settings.search == "tpe":
        learned = Learned(settings, len(left))
        for child in sorted(left, key=lambda run: run.info.end_time)[: settings.n_iter]:
            earlier = _read(child)
            known[learned.recall(child.data.params, earlier.outcome)] = earlier
        return learned, known
    candidates = settings.candidates()
    source: Source = (
        Halving(work, candidates, settings.metric)
        if settings.search == "halving"
        else Listed(work, candidates)
    )
    by_id = {child.data.tags.get(CANDIDATE): child for child in left}
    # A round of halving that is known to the end is followed by the next: the list grows.
    for index, candidate in enumerate(source.candidates):
        recorded = by_id.get(candidate_id(candidate, source.rows_of(index)))
        if recorded is not None:
            known[index] = _read(recorded)
            source.hear(index, known[index].outcome)
    return source, known


def _executor(work: Work, execution: Execution) -> AbstractContextManager[Executor]:
    if execution.scheduler is not None:
        return ClusterExecutor(work, execution.scheduler, execution.jobs)
    return LocalExecutor(work, execution.jobs)


def _log_training_data(run: StepRun, data: Dataset) -> None:
    """Log what the search is trained on: shape, columns and digest, as autolog does."""
    context = InputTag("mlflow.data.context", "train")
    run.log_inputs([DatasetInput(data, [context])])


@dataclass(frozen=True)
class Earlier:
    """A candidate that has been fitted before: by which run, when, with which result."""

    run_id: str
    parent: str
    outcome: CandidateResult
    span: Span


def finished_children(run: StepRun, key: str) -> list[Run]:
    """Find the child runs that interrupted runs with this step key have finished.

    Runs that ended FINISHED are left alone: fitting them again is what was asked for then. This
    run may have been interrupted itself: a job whose node is taken away starts again as it was.
    What it was fitting then ends as KILLED.
    """
    same_key = find_runs(run.client, run.experiment_id, f"tags.`{KEY}` = '{key}'")
    interrupted = {parent.info.run_id for parent in same_key if parent.info.status != FINISHED}
    of_key = f"tags.`{CANDIDATE_OF}` = '{key}'"
    children = list(find_runs(run.client, run.experiment_id, of_key))
    for child in children:
        if child.data.tags.get(PARENT) == run.id and child.info.status == RUNNING:
            run.client.set_terminated(child.info.run_id, KILLED)
    finished = [
        child
        for child in children
        if child.info.status == FINISHED and child.data.tags.get(PARENT) in interrupted
    ]
    # Of a candidate that is there twice the last one counts: this run's own.
    return sorted(finished, key=lambda child: child.data.tags[PARENT] == run.id)


def _read(child: Run) -> Earlier:
    scores = read_fold_tags(child.data.tags)
    span = Span(child.info.start_time / 1000, child.info.end_time / 1000)
    parent, pruned = child.data.tags[PARENT], PRUNED in child.data.tags
    return Earlier(child.info.run_id, parent, CandidateResult(scores, pruned=pruned), span)
