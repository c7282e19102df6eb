"""Define what training does differently by kind of target: two classes, more, or numbers.

Search, evaluation and duel ask a task for folds, scorers, predictions and intervals. To add a kind
of target, write another class with these methods and choose it in `task_of`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from steps.base.errors import StepError
from steps.base.parsers import AUTO
from steps.model import bootstrap, class_metrics, folds, metrics, number_metrics, row_bootstrap
from steps.model.metrics import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Label, Schema
    from steps.model.bootstrap import Interval
    from steps.model.folds import Split

# The prefix of a scorer that is a negated error, as in scikit-learn.
NEGATIVE = "neg_"


@dataclass(frozen=True)
class Task(ABC):
    """A kind of target; these methods suit classes, and a regression overrides them.

    `metrics` score the held-out rows, `main` chooses the best candidate by default, and the
    terminal shows `shown`. `seed` seeds every shuffle. If `evaluates_out_of_fold`, the search keeps
    its predictions of each fold's rows.
    """

    classes: tuple[Label, ...]
    seed: int
    metrics: ClassVar[tuple[str, ...]]
    main: ClassVar[str]
    shown: ClassVar[tuple[str, ...]]
    evaluates_out_of_fold: ClassVar[bool] = True

    @property
    @abstractmethod
    def scorers(self) -> dict[str, Any]:
        """The search's scorers by name; more is better for all of them."""

    @property
    def scoring(self) -> list[str] | dict[str, Any]:
        """The search's scorers as one would give them to scikit-learn."""
        return self.scorers

    @property
    def searched_by(self) -> tuple[str, ...]:
        """The metrics that may choose the best candidate."""
        return tuple(name.removeprefix(NEGATIVE) for name in self.scorers)

    def scorer(self, metric: str) -> str:
        """Name the scorer of a metric; raise a StepError if this task has no such metric."""
        wanted = self.main if metric == AUTO else metric
        for name in (wanted, NEGATIVE + wanted):
            if name in self.scorers:
                return name
        raise StepError(
            f"parameter metric: expected auto or one of {', '.join(self.searched_by)} for "
            f"{self.what}, found {metric}"
        )

    @property
    def what(self) -> str:
        """Say what is predicted."""
        return f"a target of {len(self.classes)} classes"

    def check_folds(self, labels: np.ndarray, count: int, groups: np.ndarray | None = None) -> None:
        """Raise a StepError if there are too few rows, or groups, for so many folds."""
        folds.check_classes(labels, count)
        folds.check_groups(groups, count)

    def cv(self, count: int, groups: np.ndarray | None = None) -> Any:
        """Make the folds in the form scikit-learn takes: their number if that is enough."""
        return count if groups is None else folds.of_classes(count, groups)

    def splits(
        self, labels: np.ndarray, count: int, groups: np.ndarray | None = None
    ) -> list[Split]:
        """List the rows of the folds; `groups` (rows,) are never on both sides."""
        return folds.class_splits(folds.of_classes(count, groups), labels, groups)

    @abstractmethod
    def truth(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels in the form that the metrics take."""

    @abstractmethod
    def predict(self, estimator: Any, features: pd.DataFrame) -> np.ndarray:
        """Predict in the form that the metrics take."""

    @abstractmethod
    def scores(self, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        """Score every metric, with decisions at the default threshold."""

    def intervals(
        self, truth: np.ndarray, predicted: np.ndarray, threshold: float, seed: int
    ) -> dict[str, Interval]:
        """Score every metric, with its interval; only two classes have a threshold."""
        return row_bootstrap.intervals(
            self.scores, truth, predicted, seed, by_class=bool(self.classes)
        )

    def difference(
        self,
        scorer: str,
        truth: np.ndarray,
        ours: tuple[np.ndarray, float],
        theirs: tuple[np.ndarray, float],
        seed: int,
    ) -> Interval:
        """Compute the score of `ours` minus that of `theirs`: more is better for all scorers.

        Each is a pair: the output of `predict`, and a threshold.
        """
        metric = scorer.removeprefix(NEGATIVE)
        sign = 1 if metric == scorer else -1

        def score(actual: np.ndarray, predicted: np.ndarray) -> float:
            return sign * self.scores(actual, predicted)[metric]

        classes = bool(self.classes)
        return row_bootstrap.difference(score, truth, ours[0], theirs[0], seed, by_class=classes)


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

    def intervals(
        self, truth: np.ndarray, predicted: np.ndarray, threshold: float, seed: int
    ) -> dict[str, Interval]:
        """Score every metric, with its interval."""
        return bootstrap.intervals(truth, predicted, threshold, seed)

    def difference(
        self,
        scorer: str,
        truth: np.ndarray,
        ours: tuple[np.ndarray, float],
        theirs: tuple[np.ndarray, float],
        seed: int,
    ) -> Interval:
        """Compute the score of `ours` minus that of `theirs`."""
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

    def check_folds(self, labels: np.ndarray, count: int, groups: np.ndarray | None = None) -> None:
        """Raise a StepError if there are too few rows, or groups, for so many folds."""
        folds.check_rows(labels, count)
        folds.check_groups(groups, count)

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
