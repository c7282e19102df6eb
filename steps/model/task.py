"""The kinds of target: two classes, more, or numbers.

To add one, write another class with these methods and choose it in `task_of`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.base.parsers import AUTO
from steps.model import (
    bootstrap,
    bounded,
    class_intervals,
    class_metrics,
    folds,
    metrics,
    number_metrics,
    row_bootstrap,
)
from steps.model.any_task import NEGATIVE as NEGATIVE
from steps.model.any_task import Task as Task
from steps.model.levels import Levels
from steps.model.metrics import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Schema
    from steps.model.bootstrap import Interval
    from steps.model.folds import Split


class BinaryTask(Task):
    """Tell two classes apart; the second is the positive one."""

    metrics = metrics.METRICS
    main = "roc_auc"
    shown = ("roc_auc", "precision", "recall", "f1", "accuracy")

    @cached_property
    def scorers(self) -> dict[str, Any]:
        """The search's scorers by the name of their metric."""
        return metrics.scorers(self.classes[1])

    @property
    def scoring(self) -> list[str] | dict[str, Any]:
        """The search's scorers as one would give them to scikit-learn: by name where that fits.

        Its precision, recall and f1 take 1 for the positive class; other labels must be named.
        """
        return list(metrics.SCORERS) if self.classes[1] == 1 else self.scorers

    def truth(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels as the metrics take them: True where a row is positive."""
        return np.asarray(labels == self.classes[1])

    def predict(self, estimator: Any, features: pd.DataFrame) -> np.ndarray:
        """Predict the probability of the positive class."""
        # An estimator sorts its classes; the positive one need not be its last.
        position = list(estimator.classes_).index(self.classes[1])
        return np.asarray(estimator.predict_proba(features)[:, position])

    def scores(self, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        """Score every metric, with decisions at the default threshold."""
        return metrics.scores(truth, predicted, DEFAULT_THRESHOLD)

    def main_score(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """Score `main` alone."""
        return float(Levels.of(truth, predicted).roc_auc())

    def intervals(
        self,
        truth: np.ndarray,
        predicted: np.ndarray,
        threshold: float,
        seed: int,
        *,
        exact: bool,
    ) -> dict[str, Interval]:
        """Score every metric, with its interval."""
        intervals = bootstrap.intervals if exact else bounded.intervals
        return intervals(truth, predicted, threshold, seed)

    def difference(
        self,
        scorer: str,
        truth: np.ndarray,
        ours: tuple[np.ndarray, float],
        theirs: tuple[np.ndarray, float],
        seed: int,
        *,
        exact: bool,
    ) -> Interval:
        """Compute the score of `ours` minus that of `theirs`."""
        if scorer == "roc_auc" and not exact:
            return bounded.gain(truth, ours[0], theirs[0])
        return bootstrap.difference(scorer, truth, ours, theirs, seed)


class MulticlassTask(Task):
    """Tell more than two classes apart."""

    metrics = class_metrics.METRICS
    main = "roc_auc"
    shown = ("roc_auc", "log_loss", "accuracy", "balanced_accuracy", "f1")
    evaluates_out_of_fold = False

    @cached_property
    def scorers(self) -> dict[str, Any]:
        """The search's scorers by name; more is better for all of them."""
        return class_metrics.scorers()

    def truth(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels as the metrics take them: the positions of their classes."""
        return class_metrics.positions(labels, self.classes)

    def predict(self, estimator: Any, features: pd.DataFrame) -> np.ndarray:
        """Predict the probability of each class, (rows, classes)."""
        return np.asarray(estimator.predict_proba(features))

    def scores(self, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        """Score every metric."""
        return class_metrics.scores(truth, predicted)

    def main_score(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """Score `main` alone."""
        return class_metrics.roc_auc(truth, predicted)

    def intervals(
        self,
        truth: np.ndarray,
        predicted: np.ndarray,
        threshold: float,
        seed: int,
        *,
        exact: bool,
    ) -> dict[str, Interval]:
        """Score every metric, with its interval."""
        return class_intervals.intervals(truth, predicted, seed)

    def difference(
        self,
        scorer: str,
        truth: np.ndarray,
        ours: tuple[np.ndarray, float],
        theirs: tuple[np.ndarray, float],
        seed: int,
        *,
        exact: bool,
    ) -> Interval:
        """Compute the score of `ours` minus that of `theirs`."""
        metric = scorer.removeprefix(NEGATIVE)
        # An error's sign changes.
        pair = (ours[0], theirs[0]) if metric == scorer else (theirs[0], ours[0])
        return class_intervals.difference(metric, truth, *pair, seed)


class RegressionTask(Task):
    """Predict numbers."""

    metrics = number_metrics.METRICS
    main = "r2"
    shown = number_metrics.METRICS

    @cached_property
    def scorers(self) -> dict[str, Any]:
        """The search's scorers by name; more is better for all of them."""
        return number_metrics.scorers()

    @property
    def what(self) -> str:
        """Say what is predicted."""
        return "a target of numbers"

    def fold_count(self, labels: np.ndarray, wanted: int, groups: np.ndarray | None = None) -> int:
        """Give as many folds as wanted, or as the training rows and their groups allow."""
        # A single row has no R².
        possible = len(labels) // 2
        return folds.of_groups(groups, folds.of_rows(possible, wanted, "four training rows"))

    def cv(self, count: int, groups: np.ndarray | None = None) -> Any:
        """Make the folds as one would give them to scikit-learn."""
        return folds.of_numbers(count, self.seed, groups)

    def splits(
        self, labels: np.ndarray, count: int, groups: np.ndarray | None = None
    ) -> list[Split]:
        """List the rows of the folds; `groups` (rows,) are never on both sides."""
        return folds.splits(self.cv(count, groups), labels, groups)

    def truth(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels as the metrics take them: as float64."""
        return labels.astype(np.float64)

    def predict(self, estimator: Any, features: pd.DataFrame) -> np.ndarray:
        """Predict the numbers."""
        return np.asarray(estimator.predict(features), dtype=np.float64)

    def scores(self, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        """Score every metric."""
        return number_metrics.scores(truth, predicted)

    def main_score(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """Score `main` alone."""
        return number_metrics.r2(truth, predicted)

    def intervals(
        self,
        truth: np.ndarray,
        predicted: np.ndarray,
        threshold: float,
        seed: int,
        *,
        exact: bool,
    ) -> dict[str, Interval]:
        """Score every metric, with its interval."""
        return row_bootstrap.intervals(self.scores, truth, predicted, seed)

    def difference(
        self,
        scorer: str,
        truth: np.ndarray,
        ours: tuple[np.ndarray, float],
        theirs: tuple[np.ndarray, float],
        seed: int,
        *,
        exact: bool,
    ) -> Interval:
        """Compute the score of `ours` minus that of `theirs`."""
        metric = scorer.removeprefix(NEGATIVE)
        sign = 1 if metric == scorer else -1

        def score(actual: np.ndarray, predicted: np.ndarray) -> float:
            return sign * number_metrics.scores(actual, predicted)[metric]

        return row_bootstrap.difference(score, truth, ours[0], theirs[0], seed)


def parse_metric(text: str) -> str:
    """Read the `metric` parameter: `auto`, or a metric of some task."""
    names = (metrics.SCORERS, class_metrics.scorers(), number_metrics.scorers())
    known = dict.fromkeys(name.removeprefix(NEGATIVE) for some in names for name in some)
    if text not in (AUTO, *known):
        raise ValueError(f"auto, or one of {', '.join(known)}")
    return text


KINDS: dict[str, type[Task]] = {
    "binary": BinaryTask,
    "multiclass": MulticlassTask,
    "regression": RegressionTask,
}


def task_of(schema: Schema, seed: int) -> Task:
    """Choose the task that a schema's target asks for."""
    return KINDS[schema.task](schema.classes, seed)
