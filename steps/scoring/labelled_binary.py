"""Scores of a two-class classifier, from counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A forest's probabilities repeat. If more than half this many distinct ones come together, they
# are rounded to steps of 1/GRID, which moves the area under the curve by less than 1e-5.
MOST_DIFFERENT = 1 << 20
GRID = 1 << 18


@dataclass(frozen=True)
class BinaryCounts:
    """Labelled rows by probability: the distinct probabilities, and the rows per class of each.

    `confusion[actual, predicted]` counts rows.
    """

    probabilities: np.ndarray
    counts: np.ndarray
    confusion: np.ndarray

    @classmethod
    def count(
        cls, actual: np.ndarray, predicted: np.ndarray, probability: np.ndarray
    ) -> BinaryCounts:
        """Count rows, except those without a class (-1)."""
        known = actual >= 0
        if not known.all():
            actual, predicted, probability = actual[known], predicted[known], probability[known]
        different, position = np.unique(probability, return_inverse=True)
        cells = np.bincount(2 * position + actual, minlength=2 * len(different))
        confusion = np.bincount(2 * actual.astype(np.intp) + predicted, minlength=4)
        return cls(different, cells.reshape(-1, 2), confusion.reshape(2, 2))

    @classmethod
    def merge(cls, parts: Sequence[BinaryCounts]) -> BinaryCounts:
        """Add up the counts of several parts."""
        probabilities = np.concatenate([part.probabilities for part in parts])
        counts = np.concatenate([part.counts for part in parts])
        different, position = np.unique(probabilities, return_inverse=True)
        if len(different) > MOST_DIFFERENT // 2:
            rounded = np.round(probabilities * GRID) / GRID
            different, position = np.unique(rounded, return_inverse=True)
        summed = np.zeros((len(different), 2), dtype=np.int64)
        np.add.at(summed, position, counts)
        return cls(different, summed, np.sum([part.confusion for part in parts], axis=0))

    @property
    def size(self) -> int:
        """Count the stored numbers."""
        return len(self.probabilities)

    @property
    def rows(self) -> int:
        """Count the labelled rows."""
        return int(self.confusion.sum())

    def scores(self) -> dict[str, float]:
        """Compute the metrics of steps.model.metrics; only accuracy if a class has no rows."""
        (true_negative, false_positive), (false_negative, true_positive) = self.confusion.tolist()
        found = {
            "precision": _ratio(true_positive, true_positive + false_positive),
            "recall": _ratio(true_positive, true_positive + false_negative),
            "f1": _ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
            "accuracy": _ratio(true_positive + true_negative, self.rows),
        }
        negatives, positives = self.confusion.sum(axis=1).tolist()
        if not negatives or not positives:
            return {"accuracy": found["accuracy"]} if self.rows else {}
        below = np.cumsum(self.counts[:, 0]) - self.counts[:, 0]
        pairs = np.sum(self.counts[:, 1] * (below + self.counts[:, 0] / 2))
        return {"roc_auc": float(pairs / (negatives * positives)), **found}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
