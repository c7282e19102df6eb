"""Child runs of a search, written while it goes on: one run for each candidate.

A candidate's run is created when the candidate starts, gets its parameters and scores when it
ends, and is then ended: three requests, sent by a few threads beside the fitting. Its description
says first what sets it apart and how it scored. The scores of every fold are kept in a tag, so that
an interrupted search can go on from its child runs.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import mlflow
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from steps.base import console
from steps.base.console import Progress
from steps.model.candidates import family_of
from steps.model.fitted_search import FittedSearch
from steps.model.fitting import CandidateResult
from steps.model.grid import Candidate
from steps.model.search_loop import Span
from steps.model.sources import Source
from steps.report import search_record as record
from steps.report.search_progress import SearchProgress
from steps.store.destination import AZURE, is_remote
from steps.store.fold_tags import LONGEST_TAG, fold_tags
from steps.store.runs import DESCRIPTION, FINISHED, KEY, PARENT, StepRun, made_by

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CANDIDATE_OF = "step.candidate_of"
CANDIDATE = "step.candidate"
COPY_OF = "step.candidate.copy_of"
ERROR = "step.candidate.error"
PRUNED = "step.candidate.pruned"
ROWS = "step.candidate.rows"

FAILED = RunStatus.to_string(RunStatus.FAILED)
KILLED = RunStatus.to_string(RunStatus.KILLED)

# A local store has one writer at a time; a server is mostly waited for.
LOCAL_THREADS, REMOTE_THREADS = 1, 8
# So many writes may be on their way before the search waits for the store.
MOST_WAITING = 48
# The parent's progress goes out this often, in one request with a point for each candidate.
SECONDS_BETWEEN_POINTS = 3.0
# MLflow takes 100 parameters in a request; Azure ML takes 250 metric values.
MOST_PARAMS, MOST_POINTS = 100, 250
# A table of many columns makes a pipeline of many parameters; Azure ML takes so many for a run.
AZURE_PARAMS = 200
LONGEST_NAME = 250


def candidate_id(candidate: Candidate, rows: int | None = None) -> str:
    """Identify a candidate by its parameters, whatever their order, and its rows if not all."""
    text = json.dumps(candidate, sort_keys=True, default=str)
    text += "" if rows is None else f" {rows}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def name_of(candidate: Candidate) -> str:
    """Name a child run by what sets it apart: `n_estimators=2, max_depth=3`."""
    words = (f"{name.rpartition('__')[2]}={value}" for name, value in candidate.items())
    return ", ".join(words)[:LONGEST_NAME]


@dataclass(frozen=True)
class ParentRun:
    """The run of a search: its tags, the step's key among them, and what is searched for.

    `metric` chooses among the candidates of the `families`, unfitted pipelines by name.
    """

    run: StepRun
    tags: Mapping[str, str]
    families: Mapping[str, Pipeline]
    metric: str


class ChildRuns:
    """Writes the child runs of one search; the parent's own progress too.

    Use it as a context: what is on its way is sent before the block ends. An error of the store
    ends the search with the next candidate. Child runs that the block leaves unended (an error,
    Ctrl-C) end FAILED or KILLED.
    """

    def __init__(self, parent: ParentRun, source: Source, bar: Progress) -> None:
        self._run, self._client, self._bar = parent.run, parent.run.client, bar
        # A search that learns adds candidates as it goes.
        self._source, self._candidates = source, source.candidates
        self._progress = SearchProgress(parent.metric, source.total)
        uri = mlflow.get_tracking_uri()
        self._remote, self._azure = is_remote(uri), uri.startswith(AZURE)
        self._families = parent.families
        self._parameters = {
            name: record.pipeline_parameters(one) for name, one in parent.families.items()
        }
        self._tags = {
            PARENT: parent.run.id,
            CANDIDATE_OF: parent.tags[KEY],
            **record.estimator_tags(next(iter(parent.families.values()))),
            **made_by(parent.tags),
        }
        self._pool = ThreadPoolExecutor(
            REMOTE_THREADS if self._remote else LOCAL_THREADS, thread_name_prefix="children"
        )
        self._sent: deque[Future[Any]] = deque()
        self._ids: dict[int, Future[str]] = {}
        self._ended: set[int] = set()
        self._points: list[Metric] = []
        self._points_sent = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._pool:
            if error is None:
                self._send_points()
                self.wait()
            else:
                interrupted = isinstance(error, KeyboardInterrupt)
                if interrupted:
                    self._say_best_so_far()
                self._abandon(KILLED if interrupted else FAILED)

    def started(self, index: int, at: float) -> None:
        """Create the run of a candidate."""
        self._create(index, at, {})

    def finished(self, index: int, outcome: CandidateResult, span: Span) -> None:
        """Write a candidate's scores and end its run."""
        self._end(index, outcome, span.ended)
        self._count(index, outcome)
        if outcome.error:
            console.warn(f"{name_of(self._candidates[index])} failed: {outcome.error}")

    def adopt(self, index: int, outcome: CandidateResult, span: Span, origin: str) -> None:
        """Write a run for a candidate that an earlier, interrupted search has finished.

        It is a copy, with the times of its `origin`: the earlier search keeps its record.
        """
        self._create(index, span.started, {COPY_OF: origin})
        self._end(index, outcome, span.ended)
        self._count(index, outcome, known=True)

    def continue_with(self, index: int, outcome: CandidateResult, run_id: str) -> None:
        """Count a candidate whose child run is this search's own, of an attempt before."""
        self._ids[index] = Future()
        self._ids[index].set_result(run_id)
        self._ended.add(index)
        self._count(index, outcome, known=True)

    def rank(self, search: FittedSearch) -> None:
        """Add the ranks, which autolog's child runs have too, where that costs no request.

        They are known only at the end, so on a server they would be a fourth request for each
        candidate; there they are in cv_results.csv alone.
        """
        if not self._remote:
            for index in range(len(self._candidates)):
                self._send(self._write_ranks, index, record.candidate_ranks(search, index))

    def wait(self) -> None:
        """Wait until all is written; raise the first error."""
        while self._sent:
            self._sent.popleft().result()

    # --- what the search's thread hands over -------------------------------------------------

    def _send(self, write: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future = self._pool.submit(write, *arguments)
        self._sent.append(future)
        while self._sent[0].done() or len(self._sent) > MOST_WAITING:
            self._sent.popleft().result()
            if not self._sent:
                break
        return future

    def _create(self, index: int, at: float, tags: Mapping[str, str]) -> None:
        candidate = self._candidates[index]
        rows = self._source.rows_of(index)
        mine = {**self._tags, CANDIDATE: candidate_id(candidate, rows), **tags}
        if rows is not None:
            mine[ROWS] = str(rows)
        self._ids[index] = self._send(self._write_start, self._name(index), at, mine)

    def _name(self, index: int) -> str:
        rows = self._source.rows_of(index)
        return name_of(self._candidates[index]) + ("" if rows is None else f" (on {rows:,} rows)")

    def _end(self, index: int, outcome: CandidateResult, at: float) -> None:
        self._ended.add(index)
        parameters = record.parameter_texts(self._candidates[index]) | self._shared(index)
        tags = fold_tags(outcome.scores)
        if outcome.error:
            tags[ERROR] = outcome.error[:LONGEST_TAG]
        else:
            tags[DESCRIPTION] = record.described(self._name(index), outcome, self._progress.metric)
        if outcome.pruned:
            tags[PRUNED] = "true"
        self._send(self._write_end, self._ids[index], parameters, tags, outcome, at)

    def _shared(self, index: int) -> dict[str, str]:
        """Give the parameters that a family's candidates share, as many as the store takes."""
        own = self._candidates[index]
        parameters = self._parameters[family_of(own, self._families)]
        shared = {name: text for name, text in parameters.items() if name not in own}
        if not self._azure:
            return shared
        # The imputers' go last: they are the many, and all alike.
        ordered = sorted(shared.items(), key=lambda item: item[0].startswith("fillna__"))
        return dict(ordered[: AZURE_PARAMS - len(own)])

    def _count(self, index: int, outcome: CandidateResult, *, known: bool = False) -> None:
        self._progress.count(index, outcome, known=known)
        self._points += self._metrics(self._progress.so_far)
        self._bar.update(1, self._progress.best)
        if time.monotonic() - self._points_sent >= SECONDS_BETWEEN_POINTS:
            self._send_points()

    def _say_best_so_far(self) -> None:
        progress = self._progress
        if progress.best_index is not None:
            named = name_of(self._candidates[progress.best_index])
            done = f"interrupted after {progress.done} candidates"
            console.say(f"search: {done}; {progress.best} so far with {named}")

    def _metrics(self, values: Mapping[str, float]) -> list[Metric]:
        now, step = int(time.time() * 1000), self._progress.done
        return [Metric(name, value, now, step) for name, value in values.items()]

    def _send_points(self) -> None:
        self._points_sent = time.monotonic()
        points = self._points + self._metrics(self._progress.speed)
        self._points = []
        for first in range(0, len(points), MOST_POINTS):
            self._send(self._client.log_batch, self._run.id, points[first : first + MOST_POINTS])

    def _abandon(self, status: str) -> None:
        # The error that got us here is the one to report, not one of these writes.
        with suppress(MlflowException):
            self.wait()
        for index in self._ids.keys() - self._ended:
            with suppress(MlflowException):
                self._client.set_terminated(self._ids[index].result(), status)

    # --- what the pool's threads do ----------------------------------------------------------

    def _write_start(self, name: str, at: float, tags: dict[str, str]) -> str:
        made = self._client.create_run(self._run.experiment_id, int(at * 1000), tags, name)
        return str(made.info.run_id)

    def _write_end(
        self,
        made: Future[str],
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
        outcome: CandidateResult,
        at: float,
    ) -> None:
        run_id, milliseconds = made.result(), int(at * 1000)
        params = [Param(name, value) for name, value in parameters.items()]
        for first in range(MOST_PARAMS, len(params), MOST_PARAMS):
            self._client.log_batch(run_id, params=params[first : first + MOST_PARAMS])
        metrics = [
            Metric(name, value, milliseconds, 0)
            for name, value in record.candidate_metrics(outcome).items()
            if math.isfinite(value)
        ]
        self._client.log_batch(
            run_id, metrics, params[:MOST_PARAMS], [RunTag(*item) for item in tags.items()]
        )
        # Last: a FINISHED run is one whose scores are there.
        self._client.set_terminated(run_id, FAILED if outcome.error else FINISHED, milliseconds)

    def _write_ranks(self, index: int, ranks: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        run_id = self._ids[index].result()
        self._client.log_batch(run_id, [Metric(*item, now, 0) for item in ranks.items()])
