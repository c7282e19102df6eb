"""Compute the metrics of a classifier with more than two classes.

Precision, recall and F1 are macro averages: each class counts the same, however rare it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import get_scorer, make_scorer

from steps.model import metrics

if TYPE_CHECKING:
    from steps.data.schema import Label

# The first two judge the probabilities, the others the decisions.
METRICS = ("roc_auc", "log_loss", "accuracy", "balanced_accuracy", "f1", "precision", "recall")


def scorers() -> dict[str, Any]:
    """Make the search's scikit-learn scorers, by name."""
    averaged = {"average": "macro", "zero_division": 0.0}
    of_class = {
        name: make_scorer(function, **averaged) for name, function in metrics.OF_POSITIVE.items()
    }
    return {
        "roc_auc": OneVsRestScorer(),
        # A rare class may be missing from a fold's held-out rows.
        "neg_log_loss": LogLossScorer(),
        "accuracy": get_scorer("accuracy"),
        "balanced_accuracy": BalancedAccuracyScorer(),
        **of_class,
    }


@dataclass(frozen=True)
class OneVsRestScorer:
    """A scorer for `roc_auc` that takes the classes from the fitted estimator."""

    def __call__(self, estimator: Any, features: Any, labels: Any) -> float:
        """Score the estimator's probabilities."""
        found = estimator.predict_proba(features)
        return roc_auc(positions(np.asarray(labels), estimator.classes_), found)


@dataclass(frozen=True)
class LogLossScorer:
    """A scorer for the negative log loss, so that more is better."""

    def __call__(self, estimator: Any, features: Any, labels: Any) -> float:
        """Score the estimator's probabilities."""
        found = estimator.predict_proba(features)
        return -float(losses(positions(np.asarray(labels), estimator.classes_), found).mean())


@dataclass(frozen=True)
class BalancedAccuracyScorer:
    """A scorer for the mean recall of the classes that occur.

    scikit-learn's own warns of a predicted class that a fold's held-out rows lack.
    """

    def __call__(self, estimator: Any, features: Any, labels: Any) -> float:
        """Score the estimator's decisions."""
        truth, decided = (
            positions(np.asarray(each), estimator.classes_)
            for each in (labels, estimator.predict(features))
        )
        found = of_decisions(confusion_matrix(truth, decided, len(estimator.classes_)))
        return found["balanced_accuracy"]


def positions(labels: np.ndarray, classes: Sequence[Label]) -> np.ndarray:
    """Return the position of each row's class among the sorted `classes`."""
    return np.searchsorted(np.asarray(classes, dtype=labels.dtype), labels)


def scores(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Score probabilities (rows, classes), and the most probable class of each row.

    `truth` holds the positions of the rows' classes. All but ROC AUC and log loss are
    scikit-learn's; averages leave out a class that neither occurs nor is predicted.
    """
    confusion = confusion_matrix(truth, probability.argmax(axis=1), probability.shape[1])
    return {
        "roc_auc": roc_auc(truth, probability),
        "log_loss": float(losses(truth, probability).mean()),
        **of_decisions(confusion),
    }


def roc_auc(truth: np.ndarray, probability: np.ndarray) -> float:
    """Average the one-vs-rest ROC AUC of the classes in `truth`; NaN if there is only one.

    The result equals scikit-learn's `roc_auc_ovr` if all classes occur; if some are missing,
    scikit-learn has no result, but this average is still a number.
    """
    found = areas(truth, probability)
    there = ~np.isnan(found)
    return float(found[there].mean()) if there.any() else float("nan")


def areas(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the one-vs-rest ROC AUC of each class; NaN for a class with no rows, or all rows."""
    rows, classes = probability.shape
    own = np.bincount(truth, minlength=classes)
    # The area is the share of pairs in the right order, which ranks count (Mann-Whitney).
    ranks = rankdata(probability, axis=0)
    sums = np.bincount(truth, ranks[np.arange(rows), truth], minlength=classes)
    pairs = (own * (rows - own)).astype(float)
    right = sums - own * (own + 1) / 2
    found: np.ndarray = np.divide(right, pairs, out=np.full(classes, np.nan), where=pairs > 0)
    return found


def losses(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Compute each row's log loss, as scikit-learn's `log_loss` does before it averages."""
    of_truth = probability[np.arange(len(truth)), truth]
    tiny = np.finfo(probability.dtype).eps
    return np.asarray(-np.log(np.clip(of_truth, tiny, 1)))


def confusion_matrix(truth: np.ndarray, decided: np.ndarray, classes: int) -> np.ndarray:
    """Count the rows by actual class (first axis) and predicted class (second axis)."""
    return np.bincount(truth * classes + decided, minlength=classes**2).reshape(classes, classes)


def of_each_class(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Compute precision, recall and F1 of each class."""
    hits = np.diag(confusion).astype(float)
    return ratios(hits, confusion.sum(axis=1), confusion.sum(axis=0))


def ratios(hits: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Compute precision, recall and F1 from counts of rows; a division by zero gives 0."""
    pairs = {
        "precision": (hits, predicted),
        "recall": (hits, actual),
        "f1": (2 * hits, actual + predicted),
    }
    return {
        name: np.divide(above, below, out=np.zeros_like(hits), where=below > 0)
        for name, (above, below) in pairs.items()
    }


def of_decisions(confusion: np.ndarray) -> dict[str, float]:
    """Score decisions by their confusion matrix."""
    each = of_each_class(confusion)
    actual = confusion.sum(axis=1) > 0
    met = actual | (confusion.sum(axis=0) > 0)
    return {
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "balanced_accuracy": float(each["recall"][actual].mean()),
        **{name: float(values[met].mean()) for name, values in each.items()},
    }
