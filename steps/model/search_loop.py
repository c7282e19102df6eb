"""The loop of a search: fits every candidate once, and tells a listener as it goes."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from steps.base.errors import FAILURE, StepError
from steps.model.executors import Executor, ResultsFuture
from steps.model.fitting import CandidateResult
from steps.model.grid import Candidate

# A candidate that costs this many workers their life (by its memory, say) is not tried again.
MOST_LOSSES = 3

# Positions of the candidates that are fitted in one task.
Group: TypeAlias = tuple[int, ...]


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


def fit_all(
    candidates: Sequence[Candidate],
    executor: Executor,
    listener: Listener,
    known: Mapping[int, CandidateResult] | None = None,
) -> list[CandidateResult]:
    """Fit the candidates that are not `known`; give the results of all, in their order.

    No more candidates are handed out than can be fitted at once: what is said to have started
    has started.
    """
    results = dict(known or {})
    waiting = deque(_groups([index for index in range(len(candidates)) if index not in results]))
    running: dict[Group, ResultsFuture] = {}
    began: dict[Group, float] = {}
    losses: Counter[Group] = Counter()
    done: SimpleQueue[Group] = SimpleQueue()
    while waiting or running:
        while waiting and len(running) < executor.slots(len(waiting)):
            group = waiting.popleft()
            if group not in began:
                began[group] = time.time()
                for index in group:
                    listener.started(index, began[group])
            running[group] = executor.submit([candidates[index] for index in group])
            running[group].add_done_callback(partial(_report, done, group))
        group = done.get()
        try:
            fitted = running.pop(group).result()
        except executor.lost as error:
            losses[group] += 1
            if losses[group] >= MOST_LOSSES:
                raise _too_many_losses(candidates[group[0]], error) from error
            executor.recover()
            waiting.append(group)
            continue
        for index, result in zip(group, fitted, strict=True):
            results[index] = result
            listener.finished(index, result, Span(began[group], time.time()))
    _check_any_fitted(results)
    return [results[index] for index in range(len(candidates))]


def _groups(indices: Sequence[int]) -> list[Group]:
    # No candidates share work yet that would be done once if they were fitted together.
    return [(index,) for index in indices]


def _report(done: SimpleQueue[Group], group: Group, _: object) -> None:
    done.put(group)


def _too_many_losses(candidate: Candidate, error: BaseException) -> StepError:
    return StepError(
        f"expected the workers to survive the candidate {candidate}, {MOST_LOSSES} were lost "
        f"({type(error).__name__}); give them more memory or take it out of the grid",
        exit_code=FAILURE,
    )


def _check_any_fitted(results: Mapping[int, CandidateResult]) -> None:
    errors = [result.error for result in results.values()]
    if all(errors):
        raise StepError(
            f"expected at least one candidate to be fitted, all {len(errors)} failed; "
            f"the first error: {errors[0]}"
        )
