"""Two simple models on the same rows: what a forest has to be measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAJORITY, LOGISTIC = "majority", "logistic"
TITLES = {MAJORITY: "Majority class", LOGISTIC: "Logistic regression"}


def fit_baselines(
    estimator: Pipeline, features: pd.DataFrame, labels: np.ndarray, seed: int
) -> dict[str, Pipeline]:
    """Fit the baselines: the class shares alone, and a scaled logistic regression.

    Both fill missing values as the estimator does.
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
