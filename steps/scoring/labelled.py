"""Scores for input that holds the target: from counts, so memory does not grow with the rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from steps.data.schema import BINARY
from steps.scoring.labelled_binary import BinaryCounts
from steps.scoring.labelled_classes import ClassCounts
from steps.scoring.labelled_numbers import NumberSums

if TYPE_CHECKING:
    from steps.data.schema import Schema
    from steps.model.interval import Interval
    from steps.scoring.rows import Predicted

# Parts are merged once they hold more numbers than this.
MOST_NUMBERS = 1 << 20


class Counts(Protocol):
    """Counts of labelled rows; the counts of several parts can be added up."""

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Add up the counts of several parts."""

    @property
    def size(self) -> int:
        """Count the stored numbers."""

    @property
    def rows(self) -> int:
        """Count the labelled rows."""

    def levels(self) -> dict[str, float]:
        """Give the mean of the labels, or the share of the positive class, of two."""

    def scores(self) -> dict[str, float]:
        """Compute the metrics, by name."""

    def intervals(self) -> dict[str, Interval]:
        """Compute those metrics that have a 95 % interval, with it."""


def count_labelled(
    actual: np.ndarray, predicted: Predicted, schema: Schema, half_width: float | None = None
) -> Counts:
    """Count the rows of a chunk, except those without a label (-1 or NaN)."""
    if predicted.classes is None:
        return NumberSums.count(actual, predicted.output, half_width)
    if schema.task == BINARY:
        return BinaryCounts.count(actual, predicted.classes, predicted.output[:, 1])
    return ClassCounts.count(actual, predicted.classes, predicted.output)


@dataclass
class LabelledTotal:
    """The counts of all chunks, merged from time to time to save memory."""

    _waiting: list[Counts] = field(default_factory=list)
    _size: int = 0

    def add(self, part: Counts) -> None:
        """Add the counts of one chunk."""
        self._waiting.append(part)
        self._size += part.size
        if self._size > MOST_NUMBERS:
            merged = self._merged()
            self._waiting, self._size = [merged], merged.size

    def total(self) -> Counts | None:
        """Return the counts of all rows, or None if nothing was added."""
        return self._merged() if self._waiting else None

    def _merged(self) -> Counts:
        return type(self._waiting[0]).merge(self._waiting)


def recorded(prefix: str, counts: Counts, names: Collection[str] | None = None) -> dict[str, float]:
    """Name the scores of labelled rows as metrics, with the ends of their intervals.

    `names` are the scores wanted, None for all.
    """
    found: dict[str, float] = {}
    scored, ends = counts.scores(), counts.intervals()
    for name, value in scored.items():
        if names is None or name in names:
            found[f"{prefix}_{name}"] = value
            if name in ends:
                found[f"{prefix}_{name}_low"] = ends[name].low
                found[f"{prefix}_{name}_high"] = ends[name].high
    return found
