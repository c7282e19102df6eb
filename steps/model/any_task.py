"""Define what training does differently by kind of target.

Search, evaluation and duel ask a task for folds, scorers, predictions and intervals. The kinds are
in `steps.model.task`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from steps.base.errors import StepError
from steps.base.parsers import AUTO
from steps.model import folds

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Label
    from steps.model.folds import Split
    from steps.model.interval import Interval

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

    def fold_count(self, labels: np.ndarray, wanted: int, groups: np.ndarray | None = None) -> int:
        """Give as many folds as wanted, or as the training rows and their groups allow.

        Raises a StepError if not even two are possible.
        """
        # Scores of two classes need both in each fold; of more, scores leave out a missing one.
        _, counts = np.unique(labels, return_counts=True)
        possible = int(counts.min() if len(counts) <= 2 else counts.max())
        return folds.of_groups(
            groups, folds.of_rows(possible, wanted, "training rows of each class")
        )

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

    @abstractmethod
    def main_score(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """Score `main` alone."""

    @abstractmethod
    def intervals(
        self,
        truth: np.ndarray,
        predicted: np.ndarray,
        threshold: float,
        seed: int,
        *,
        exact: bool,
    ) -> dict[str, Interval]:
        """Score every metric, with its interval; only two classes have a threshold.

        `exact` asks for resamples where formulas would take less time.
        """

    @abstractmethod
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
        """Compute the score of `ours` minus that of `theirs`: more is better for all scorers.

        Each is a pair: the output of `predict`, and a threshold.
        """
