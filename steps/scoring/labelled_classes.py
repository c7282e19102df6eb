"""Scores of a classifier of more than two classes, from counts.

All are exact except the area under the curve, for which probabilities are rounded to steps of
their log odds: two rows within one step count as a tie. The steps are fine enough to move the
area by less than 0.001.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steps.model.class_metrics import confusion_matrix, losses, of_each_class
from steps.model.interval import Interval, normal, wilson

# Log odds from -LARGEST to LARGEST; anything beyond is practically 0 or 1.
STEPS, LARGEST = 2048, 16.0


@dataclass(frozen=True)
class ClassCounts:
    """Labelled rows by class.

    `of_all[class, step]` counts the rows by the step of that class's probability, `of_own` only
    the rows of that class. `confusion[actual, predicted]` counts rows, `loss` is a sum over rows.
    """

    of_all: np.ndarray
    of_own: np.ndarray
    confusion: np.ndarray
    loss: float

    @classmethod
    def count(
        cls, actual: np.ndarray, predicted: np.ndarray, probability: np.ndarray
    ) -> ClassCounts:
        """Count rows, except those without a class (-1)."""
        known = actual >= 0
        actual = actual[known].astype(np.intp)
        predicted, probability = predicted[known], probability[known]
        classes = probability.shape[1]
        steps = _steps(probability) + STEPS * np.arange(classes)
        own = steps[np.arange(len(actual)), actual]
        size = classes * STEPS
        return cls(
            of_all=np.bincount(steps.ravel(), minlength=size).reshape(classes, STEPS),
            of_own=np.bincount(own, minlength=size).reshape(classes, STEPS),
            confusion=confusion_matrix(actual, predicted, classes),
            loss=float(losses(actual, probability).sum()),
        )

    @classmethod
    def merge(cls, parts: Sequence[ClassCounts]) -> ClassCounts:
        """Add up the counts of several parts."""
        return cls(
            of_all=np.sum([part.of_all for part in parts], axis=0),
            of_own=np.sum([part.of_own for part in parts], axis=0),
            confusion=np.sum([part.confusion for part in parts], axis=0),
            loss=sum(part.loss for part in parts),
        )

    @property
    def size(self) -> int:
        """Count the stored numbers."""
        return 2 * self.of_all.size

    @property
    def rows(self) -> int:
        """Count the labelled rows."""
        return int(self.confusion.sum())

    def levels(self) -> dict[str, float]:
        """Give nothing: each class has a share of its own."""
        return {}

    def scores(self) -> dict[str, float]:
        """Compute the metrics of steps.model.class_metrics; the area of classes that have one.

        A class that neither occurs nor is predicted does not count.
        """
        if not self.rows:
            return {}
        each = of_each_class(self.confusion)
        actual = self.confusion.sum(axis=1) > 0
        met = actual | (self.confusion.sum(axis=0) > 0)
        areas = self._areas()
        return {
            **({"roc_auc": float(areas.mean())} if len(areas) else {}),
            "log_loss": self.loss / self.rows,
            "accuracy": float(np.trace(self.confusion) / self.rows),
            "balanced_accuracy": float(each["recall"][actual].mean()),
            **{name: float(values[met].mean()) for name, values in each.items()},
        }

    def intervals(self) -> dict[str, Interval]:
        """Give 95 % intervals of the scores that have one without resampling: shares of rows."""
        scores = self.scores()
        if not scores:
            return {}
        rows = self.confusion.sum(axis=1)
        recall = of_each_class(self.confusion)["recall"][rows > 0]
        # The recalls of the classes are independent.
        variance = float(np.sum(recall * (1 - recall) / rows[rows > 0])) / len(recall) ** 2
        return {
            "accuracy": wilson(scores["accuracy"], self.rows),
            "balanced_accuracy": normal(scores["balanced_accuracy"], math.sqrt(variance), 0.0, 1.0),
        }

    def _areas(self) -> np.ndarray:
        """Compute the one-vs-rest area of each class that has some rows, but not all."""
        own, rest = self.of_own.astype(float), (self.of_all - self.of_own).astype(float)
        below = np.cumsum(rest, axis=1) - rest
        right = np.sum(own * (below + rest / 2), axis=1)
        pairs = own.sum(axis=1) * rest.sum(axis=1)
        areas: np.ndarray = right[pairs > 0] / pairs[pairs > 0]
        return areas


def _steps(probability: np.ndarray) -> np.ndarray:
    # 0 and 1 have infinite log odds.
    with np.errstate(divide="ignore"):
        odds = np.log(probability) - np.log1p(-np.minimum(probability, 1))
    scaled = (odds / LARGEST + 1) * (STEPS / 2)
    steps: np.ndarray = np.clip(scaled, 0, STEPS - 1).astype(np.intp)
    return steps
