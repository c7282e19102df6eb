"""Rows of two classes, counted by their probability: all that scores and curves depend on.

A model of a few small trees has few distinct probabilities, whatever the number of rows. The same
functions score counts of the rows themselves and, all at once, those of many resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

LOSSES = ("brier", "log_loss")


@dataclass(frozen=True)
class Levels:
    """The distinct probabilities, rising, and how many rows of each class have them.

    The counts are (levels,), or (resamples, levels).
    """

    values: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, probability: np.ndarray) -> Levels:
        """Count rows; `truth` is True where one is positive."""
        values, level = levels(probability)
        rows = np.bincount(level, minlength=len(values))
        positive = np.bincount(level[truth], minlength=len(values))
        return cls(values, positive, rows - positive)

    @cached_property
    def positives(self) -> np.ndarray:
        """The number of positive rows."""
        return np.asarray(self.positive.sum(axis=-1))

    @cached_property
    def negatives(self) -> np.ndarray:
        """The number of negative rows."""
        return np.asarray(self.negative.sum(axis=-1))

    @cached_property
    def hits(self) -> np.ndarray:
        """The positive rows at each level and above it."""
        return _from_above(self.positive)

    @cached_property
    def alarms(self) -> np.ndarray:
        """The negative rows at each level and above it."""
        return _from_above(self.negative)

    def shares_below(self) -> tuple[np.ndarray, np.ndarray]:
        """Give, by level, the share of the negatives and of the positives below; ties count half.

        The means over the rows of the other class are ROC AUC, and what is left of it to 1.
        """
        below = (
            1 - (from_above - counts / 2) / counts.sum()
            for counts, from_above in ((self.negative, self.alarms), (self.positive, self.hits))
        )
        negatives, positives = below
        return negatives, positives

    def score(self, metric: str, decided: np.ndarray) -> np.ndarray:
        """Score the rows, or each resample; `decided` (levels,) says which are called positive.

        A ratio to no rows is 0, but ROC AUC of a single class is NaN.
        """
        if metric == "roc_auc":
            return self.roc_auc()
        if metric == "pr_auc":
            return self.pr_auc()
        if metric in LOSSES:
            of_positive, of_negative = losses(metric, self.values)
            lost = _dot(self.positive, of_positive) + _dot(self.negative, of_negative)
            return np.asarray(lost / (self.positives + self.negatives))
        hits, alarms = (
            _dot(each, decided.astype(float)) for each in (self.positive, self.negative)
        )
        return decision_score(metric, hits, alarms, self.positives, self.negatives)

    def roc_auc(self) -> np.ndarray:
        """Give the share of pairs of a positive and a negative row in the right order, if any."""
        ties = _dot(self.negative, self.positive) / 2
        won = _dot(self.negative, self.hits) - ties
        with np.errstate(invalid="ignore"):
            return np.asarray(won / (self.positives * self.negatives))

    def pr_auc(self) -> np.ndarray:
        """Give the mean precision at the positive rows."""
        # Levels above all rows drawn add nothing.
        precision = self.hits / np.maximum(self.hits + self.alarms, 1)
        summed = _dot(self.positive, precision)
        return np.asarray(summed / np.maximum(self.positives, 1))


def levels(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the distinct values, rising, and the position of each row's among them."""
    # By a hash table: to sort all rows would take ten times as long where few values differ.
    codes, values = pd.factorize(probability, sort=True)
    return values, codes


@dataclass(frozen=True)
class Coded:
    """Predictions in a quarter of the memory, if few of them differ; `codes` are their levels."""

    values: np.ndarray
    codes: np.ndarray | None = None

    @classmethod
    def of(cls, predicted: np.ndarray) -> Coded:
        """Encode the predictions of rows, (rows,)."""
        values, codes = levels(predicted)
        kind = np.min_scalar_type(max(len(values) - 1, 0))
        return cls(values, codes.astype(kind)) if kind.itemsize <= 2 else cls(predicted)

    def rows(self) -> np.ndarray:
        """Give the predictions again, bit for bit."""
        return self.values if self.codes is None else self.values[self.codes]


def decision_score(
    metric: str, hits: np.ndarray, alarms: np.ndarray, positives: np.ndarray, negatives: np.ndarray
) -> np.ndarray:
    """Score decisions by how many rows of each class are decided positive."""
    if metric == "recall":
        return np.asarray(hits / np.maximum(positives, 1))
    if metric == "f1":
        return np.asarray(2 * hits / np.maximum(hits + alarms + positives, 1))
    if metric == "accuracy":
        return np.asarray((hits + negatives - alarms) / (positives + negatives))
    return np.asarray(hits / np.maximum(hits + alarms, 1))


def losses(metric: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the loss of a positive and of a negative row at each level."""
    if metric == "brier":
        return (1 - values) ** 2, values**2
    # As scikit-learn's log_loss: a certain and wrong probability costs much, not infinitely much.
    tiny = np.finfo(values.dtype).eps
    return -np.log(np.clip(values, tiny, 1)), -np.log(np.clip(1 - values, tiny, 1))


def _dot(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    # Not BLAS, whose threads wait longer for each other than they work.
    return np.asarray(np.einsum("...l,...l", some, others))


def _from_above(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts[..., ::-1].cumsum(axis=-1)[..., ::-1])
