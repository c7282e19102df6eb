"""What training does differently for each kind of target; so far a target has two classes.

Search and evaluation ask a task for folds, scorers, intervals and baselines: another kind of
target is another class with these methods, chosen in `task_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from steps.base.errors import StepError
from steps.model import bootstrap, metrics

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Label, Schema

# Positions of the rows to fit on, and of those to test on.
Split: TypeAlias = tuple[np.ndarray, np.ndarray]

MAJORITY, LOGISTIC = "majority", "logistic"
BASELINE_TITLES = {MAJORITY: "Majority class", LOGISTIC: "Logistic regression"}


@dataclass(frozen=True)
class BinaryTask:
    """Tell two classes apart; the second one is the positive."""

    classes: tuple[Label, ...]

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

    def check_folds(self, labels: np.ndarray, folds: int) -> None:
        """Raise a StepError if a class has fewer rows than there are folds."""
        classes, counts = np.unique(labels, return_counts=True)
        if counts.min() < folds:
            raise StepError(
                f"expected at least cv_folds={folds} training rows of each class, found "
                f"{counts.min()} of {classes[counts.argmin()]}; use fewer folds or more data"
            )

    def splits(self, labels: np.ndarray, folds: int) -> list[Split]:
        """Make the folds that GridSearchCV(cv=<number>) makes for a classifier."""
        return list(StratifiedKFold(folds).split(labels, labels))

    def truth(self, labels: np.ndarray) -> np.ndarray:
        """Give the labels as the metrics take them: True where a row is positive."""
        return np.asarray(labels == self.classes[1])

    def predict(self, estimator: Any, features: pd.DataFrame) -> np.ndarray:
        """Predict as the metrics take it: the probability of the positive class."""
        return np.asarray(estimator.predict_proba(features)[:, 1])

    def intervals(
        self, truth: np.ndarray, predicted: np.ndarray, threshold: float, seed: int
    ) -> dict[str, bootstrap.Interval]:
        """Score every metric, with its interval."""
        return bootstrap.intervals(truth, predicted, threshold, seed)

    def fit_baselines(
        self, estimator: Pipeline, features: pd.DataFrame, labels: np.ndarray, seed: int
    ) -> dict[str, Pipeline]:
        """Fit what an estimator is measured against: class shares, and a logistic regression.

        Both fill in missing values as the estimator does.
        """
        models = {
            MAJORITY: [("clf", DummyClassifier(strategy="prior"))],
            LOGISTIC: [
                ("scale", StandardScaler()),
                ("clf", LogisticRegression(max_iter=1000, random_state=seed)),
            ],
        }
        return {
            name: Pipeline([("fillna", clone(estimator.named_steps["fillna"])), *steps]).fit(
                features, labels
            )
            for name, steps in models.items()
        }


Task: TypeAlias = BinaryTask


def task_of(schema: Schema) -> Task:
    """Choose the task that a schema's target asks for."""
    return BinaryTask(schema.classes)
