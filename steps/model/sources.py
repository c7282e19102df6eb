"""Where the candidates of a search come from: a list, or rounds of fewer and fewer on more rows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from steps.base.errors import StepError
from steps.model.fitting import TEST, Batch, CandidateResult, divide
from steps.model.fold_data import Work
from steps.model.grid import Candidate

# scikit-learn's: the best third goes on, on three times as many rows.
FACTOR = 3


class Source(Protocol):
    """Gives the candidates of a search, one batch after the other.

    `candidates` are those so far, by their position, and `total` is how many there will be.
    """

    candidates: list[Candidate]
    total: int

    @property
    def remaining(self) -> int:
        """Count the candidates still to come."""

    def next(self) -> Batch | None:
        """Give candidates to fit together; None if there are none, or none before a result."""

    def hear(self, index: int, result: CandidateResult) -> None:
        """Take note of a result; before the first `next`, of one that is known from before."""

    def rows_of(self, index: int) -> int | None:
        """Say how many rows of the table a candidate is fitted on; None is all."""


class Listed:
    """Candidates that are known from the start; those that share a fit come together."""

    def __init__(self, work: Work, candidates: Sequence[Candidate]) -> None:
        self._work, self.candidates = work, list(candidates)
        self.total = len(self.candidates)
        self._waiting = dict(enumerate(self.candidates))
        self._batches: deque[Batch] | None = None

    @property
    def remaining(self) -> int:
        """Count those not handed out."""
        return len(self._waiting)

    def next(self) -> Batch | None:
        """Give the next group."""
        if self._batches is None:
            self._batches = batches(self._work, self._waiting)
        return _take(self._batches, self._waiting)

    def hear(self, index: int, result: CandidateResult) -> None:
        """Leave out what is known; whatever the result."""
        self._waiting.pop(index, None)

    def rows_of(self, index: int) -> int | None:
        """Say that all rows take part."""
        return None


def batches(work: Work, waiting: dict[int, Candidate], rows: int | None = None) -> deque[Batch]:
    """Divide candidates into batches that share a fit."""
    return deque(
        Batch({index: waiting[index] for index in group.positions}, rows)
        for group in divide(work, waiting, rows)
    )


@dataclass(frozen=True)
class Round:
    """How many candidates are fitted on how many of the rows."""

    candidates: int
    rows: int


def schedule(candidates: int, rows: int, folds: int, classes: int) -> list[Round]:
    """Plan the rounds: as few rows at first as let the last round use nearly all.

    `rows` are those of the whole training table; `classes` are 1 where numbers are predicted. The
    rules are those of sklearn.model_selection.HalvingGridSearchCV, version 1.9.
    """
    fewest = folds * 2 * classes
    if rows < fewest:
        raise StepError(f"search=halving: expected at least {fewest} rows, found {rows}")
    # In floats, as scikit-learn has it: log(243, 3) is 4.999…, and these are its rules.
    needed = 1 + math.floor(math.log(candidates, FACTOR))
    first = max(fewest, rows // FACTOR ** (needed - 1))
    possible = 1 + math.floor(math.log(rows // first, FACTOR))
    rounds, left = [], candidates
    for number in range(min(needed, possible)):
        rounds.append(Round(left, min(int(FACTOR**number * first), rows)))
        left = math.ceil(left / FACTOR)
    return rounds


class Halving:
    """Rounds by scikit-learn's rules, ranked by one metric.

    scikit-learn's own class is experimental, and keeps its fits to itself; a test compares all
    results with its own.
    """

    def __init__(self, work: Work, candidates: Sequence[Candidate], metric: str) -> None:
        self._work, self._metric = work, metric
        classes = max(1, len(work.task.classes))
        self.rounds = schedule(len(candidates), len(work.labels), work.folds, classes)
        self.total = sum(one.candidates for one in self.rounds)
        self.candidates: list[Candidate] = []
        self.round_of: list[int] = []
        self._scores: dict[int, float] = {}
        self._waiting: dict[int, Candidate] = {}
        self._batches: deque[Batch] | None = None
        self._begin(list(candidates))

    @property
    def remaining(self) -> int:
        """Count those of the round that are not handed out."""
        return len(self._waiting)

    def next(self) -> Batch | None:
        """Give the next group of the round; None until all of a round is known."""
        if self._batches is None:
            rows = self.rounds[self.round_of[-1]].rows
            self._batches = batches(self._work, self._waiting, rows)
        return _take(self._batches, self._waiting)

    def hear(self, index: int, result: CandidateResult) -> None:
        """Begin the next round with the best, once all of this one are known."""
        self._waiting.pop(index, None)
        self._scores[index] = float(np.average([result.scores[TEST + self._metric]], axis=1)[0])
        if len(self._scores) < len(self.candidates) or len(self.candidates) == self.total:
            return
        last = [i for i, number in enumerate(self.round_of) if number == self.round_of[-1]]
        scores = [self._scores[index] for index in last]
        self._begin([self.candidates[last[position]] for position in survivors(scores)])

    def rows_of(self, index: int) -> int | None:
        """Say how many rows the candidate's round has."""
        return self.rounds[self.round_of[index]].rows

    def _begin(self, candidates: list[Candidate]) -> None:
        number = self.round_of[-1] + 1 if self.round_of else 0
        self._waiting = dict(enumerate(candidates, len(self.candidates)))
        self._batches = None
        self.candidates += candidates
        self.round_of += [number] * len(candidates)


def survivors(scores: Sequence[float]) -> list[int]:
    """Positions of the candidates that go on, from the worst to the best; NaN is the worst.

    Their order is that of the next round, where it decides between equal scores.
    """
    values = np.asarray(scores, dtype=float)
    order = np.roll(np.argsort(values), np.count_nonzero(np.isnan(values)))
    return [int(position) for position in order[-math.ceil(len(values) / FACTOR) :]]


def _take(waiting_batches: deque[Batch], waiting: dict[int, Candidate]) -> Batch | None:
    """Take the next batch, whose candidates then wait no more."""
    if not waiting_batches:
        return None
    batch = waiting_batches.popleft()
    for index in batch.candidates:
        del waiting[index]
    return batch
