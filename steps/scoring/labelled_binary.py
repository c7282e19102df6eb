"""Scores of a two-class classifier, from counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steps.model.interval import Interval, normal, wilson

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

    def levels(self) -> dict[str, float]:
        """Give the share of the positive class."""
        return {"label_positive_rate": _ratio(float(self.confusion[1].sum()), self.rows)}

    def scores(self) -> dict[str, float]:
        """Compute the metrics of steps.model.metrics; only accuracy if a class has no rows."""
        found = of_confusion(self.confusion)
        negatives, positives = self.confusion.sum(axis=1).tolist()
        if not negatives or not positives:
            return {"accuracy": found["accuracy"]} if self.rows else {}
        below, _ = self._shares_below()
        return {"roc_auc": float(np.average(below, weights=self.counts[:, 1])), **found}

    def intervals(self) -> dict[str, Interval]:
        """Give the scores with 95 % intervals: Wilson's of a share, DeLong's of the area.

        DeLong, DeLong and Clarke-Pearson 1988: each row's share of pairs won.
        """
        scores = self.scores()
        (_, false_positive), (false_negative, true_positive) = self.confusion.tolist()
        wrong = false_positive + false_negative
        rows = {
            "precision": true_positive + false_positive,
            "recall": true_positive + false_negative,
            "accuracy": self.rows,
        }
        found = {
            name: wilson(scores[name], count) for name, count in rows.items() if name in scores
        }
        if "f1" in scores:
            # F1 rises with the share of true positives among all rows that are or seem positive.
            share = wilson(_ratio(true_positive, true_positive + wrong), true_positive + wrong)
            ends = [2 * end / (1 + end) for end in (share.low, share.high)]
            found["f1"] = Interval(scores["f1"], *ends)
        if "roc_auc" in scores:
            area = scores["roc_auc"]
            placed = zip(self._shares_below(), self.counts.T[::-1], strict=True)
            variances = [
                np.average((shares - np.average(shares, weights=rows)) ** 2, weights=rows)
                / rows.sum()
                for shares, rows in placed
            ]
            found["roc_auc"] = normal(area, float(np.sqrt(sum(variances))), 0.0, 1.0)
        return {name: found[name] for name in scores}

    def _shares_below(self) -> tuple[np.ndarray, np.ndarray]:
        """Give, by probability, the share of the negatives and of the positives below it."""
        below = np.cumsum(self.counts, axis=0) - self.counts / 2
        shares = below / self.counts.sum(axis=0)
        return shares[:, 0], shares[:, 1]


def of_confusion(confusion: np.ndarray) -> dict[str, float]:
    """Compute the scores of decisions from rows, or expected rows, [actual, predicted]."""
    (true_negative, false_positive), (false_negative, true_positive) = confusion.tolist()
    return {
        "precision": _ratio(true_positive, true_positive + false_positive),
        "recall": _ratio(true_positive, true_positive + false_negative),
        "f1": _ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
        "accuracy": _ratio(true_positive + true_negative, float(confusion.sum())),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
