"""The search: fits every candidate once, tells a listener as it goes, gives a fitted search."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from steps.base.errors import FAILURE, StepError
from steps.model.executors import Executor, OutcomeFuture
from steps.model.fitting import Outcome
from steps.model.grid import Candidate

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

    def finished(self, index: int, outcome: Outcome, span: Span) -> None:
        """Take note of a candidate's scores, or of its error."""


def fit_all(
    candidates: Sequence[Candidate],
    executor: Executor,
    listener: Listener,
    known: Mapping[int, Outcome] | None = None,
) -> list[Outcome]:
    """Fit the candidates that are not `known`; give the outcomes of all, in their order.

    No more candidates are handed out than can be fitted at once: what is said to have started
    has started.
    """
    outcomes = dict(known or {})
    waiting = deque(index for index in range(len(candidates)) if index not in outcomes)
    running: dict[int, OutcomeFuture] = {}
    began: dict[int, float] = {}
    losses: Counter[int] = Counter()
    done: SimpleQueue[int] = SimpleQueue()
    while waiting or running:
        while waiting and len(running) < executor.slots(len(waiting)):
            index = waiting.popleft()
            if index not in began:
                began[index] = time.time()
                listener.started(index, began[index])
            running[index] = executor.submit(candidates[index])
            running[index].add_done_callback(partial(_report, done, index))
        index = done.get()
        try:
            outcomes[index] = running.pop(index).result()
        except executor.lost as error:
            losses[index] += 1
            if losses[index] >= MOST_LOSSES:
                raise _too_many_losses(candidates[index], error) from error
            executor.recover()
            waiting.append(index)
            continue
        listener.finished(index, outcomes[index], Span(began[index], time.time()))
    _check_any_fitted(outcomes)
    return [outcomes[index] for index in range(len(candidates))]


def _report(done: SimpleQueue[int], index: int, _: object) -> None:
    done.put(index)


def _too_many_losses(candidate: Candidate, error: BaseException) -> StepError:
    return StepError(
        f"expected the workers to survive the candidate {candidate}, {MOST_LOSSES} were lost "
        f"({type(error).__name__}); give them more memory or take it out of the grid",
        exit_code=FAILURE,
    )


def _check_any_fitted(outcomes: Mapping[int, Outcome]) -> None:
    errors = [outcome.error for outcome in outcomes.values()]
    if all(errors):
        raise StepError(
            f"expected at least one candidate to be fitted, all {len(errors)} failed; "
            f"the first error: {errors[0]}"
        )
