"""The loop of a search: fits every candidate once, and tells a listener as it goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from steps.base.errors import FAILURE, StepError
from steps.model.executors import BatchFuture, Executor
from steps.model.fitting import TEST, Batch, CandidateResult
from steps.model.grid import Candidate
from steps.model.sources import Source

# A candidate that costs this many workers their life (by its memory, say) is not tried again.
MOST_LOSSES = 3


@dataclass(frozen=True)
class Span:
    """When a candidate was fitted: seconds since 1970, by this machine's clock."""

    started: float
    ended: float


class Listener(Protocol):
    """Is told what happens to each candidate, by its position, while the search goes on."""

    def started(self, index: int, at: float) -> None:
        """Take note that a candidate has begun."""

    def finished(self, index: int, result: CandidateResult, span: Span) -> None:
        """Take note of a candidate's scores, or of its error."""


@dataclass(frozen=True)
class _Task:
    batch: Batch
    began: float
    future: BatchFuture
    losses: int


@dataclass
class _Loop:
    source: Source
    executor: Executor
    listener: Listener
    metric: str
    results: dict[int, CandidateResult]
    running: dict[int, _Task] = field(default_factory=dict)
    # Tasks whose worker died, with when they began and how often they were lost.
    lost: deque[tuple[Batch, float, int]] = field(default_factory=deque)
    events: SimpleQueue[tuple[int, int, CandidateResult] | int] = field(default_factory=SimpleQueue)
    numbers: count[int] = field(default_factory=count)
    best: tuple[float, int] = (-np.inf, 0)

    def run(self) -> None:
        while True:
            self._hand_out()
            if not self.running:
                return
            event = self.events.get()
            if isinstance(event, tuple):
                number, index, result = event
                if number in self.running:
                    self._take(index, result, self.running[number].began)
            else:
                self._end(self.running.pop(event))

    def _hand_out(self) -> None:
        # No more than can be fitted at once: what is said to have started has started.
        while len(self.running) < self.executor.slots(self.source.remaining):
            if self.lost:
                self._submit(*self.lost.popleft())
                continue
            batch = self.source.next()
            if batch is None:
                return
            began = time.time()
            for index in batch.candidates:
                self.listener.started(index, began)
            self._submit(batch, began, 0)

    def _submit(self, batch: Batch, began: float, losses: int) -> None:
        number = next(self.numbers)
        future = self.executor.submit(batch, partial(self._report, number))
        self.running[number] = _Task(batch, began, future, losses)
        future.add_done_callback(lambda _: self.events.put(number))

    def _report(self, number: int, index: int, result: CandidateResult) -> None:
        self.events.put((number, index, result))

    def _end(self, task: _Task) -> None:
        try:
            fitted = task.future.result()
        except self.executor.lost as error:
            left = {i: one for i, one in task.batch.candidates.items() if i not in self.results}
            if task.losses + 1 >= MOST_LOSSES:
                raise _too_many_losses(next(iter(left.values()), {}), error) from error
            self.executor.recover()
            if left:
                batch = replace(task.batch, candidates=left)
                self.lost.append((batch, task.began, task.losses + 1))
            return
        for index, result in fitted.items():
            self._take(index, result, task.began)

    def _take(self, index: int, result: CandidateResult, began: float) -> None:
        if index in self.results:
            if self.results[index].unseen is None:
                # What a worker reports while it is at work comes without predictions.
                self.results[index] = self._without_lesser_predictions(index, result)
            return
        self.results[index] = self._without_lesser_predictions(index, result)
        self.source.hear(index, result)
        self.listener.finished(index, result, Span(began, time.time()))

    def _without_lesser_predictions(self, index: int, result: CandidateResult) -> CandidateResult:
        """Keep the predictions of the best so far only: they are as long as the table."""
        if result.unseen is None:
            return result
        # The mean of cv_results_, and its order: of equal means the first one wins.
        mean = float(np.average([result.scores[TEST + self.metric]], axis=1)[0])
        if not (mean, -index) > self.best:
            return replace(result, unseen=None)
        before = self.results.get(-self.best[1])
        if before is not None and np.isfinite(self.best[0]):
            self.results[-self.best[1]] = replace(before, unseen=None)
        self.best = (mean, -index)
        return result


def fit_all(
    source: Source,
    executor: Executor,
    listener: Listener,
    known: Mapping[int, CandidateResult] | None = None,
    metric: str = "roc_auc",
) -> list[CandidateResult]:
    """Fit the candidates that are not `known`; give the results of all, in their order.

    Predictions are kept of the candidate with the best `metric` only.
    """
    loop = _Loop(source, executor, listener, metric, dict(known or {}))
    loop.run()
    _check_any_fitted(loop.results)
    return [loop.results[index] for index in range(len(source.candidates))]


def _too_many_losses(candidate: Candidate, error: BaseException) -> StepError:
    return StepError(
        f"expected the workers to survive the candidate {candidate}, found {MOST_LOSSES} of them "
        f"lost ({type(error).__name__}); give them more memory or take it out of the grid",
        exit_code=FAILURE,
    )


def _check_any_fitted(results: Mapping[int, CandidateResult]) -> None:
    errors = [result.error for result in results.values()]
    if all(errors):
        raise StepError(
            "expected at least one candidate that can be fitted, found that all "
            f"{len(errors)} failed; the first error: {errors[0]}"
        )
