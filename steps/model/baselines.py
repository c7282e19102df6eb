"""Fit the baselines of a model: a constant prediction, and a linear model of all columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline

from steps.model.estimators import LINEAR
from steps.model.pipeline import build_pipeline

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from steps.data.schema import Schema

MAJORITY, LOGISTIC = "majority", "logistic"
MEAN, RIDGE = "mean", "ridge"
TITLES = {
    MAJORITY: "Majority class",
    LOGISTIC: "Logistic regression",
    MEAN: "Mean",
    RIDGE: "Ridge regression",
}


def fit_baselines(
    schema: Schema, features: pd.DataFrame, labels: np.ndarray, seed: int
) -> dict[str, Pipeline]:
    """Fit both baselines, by name: the constant one, then the linear one.

    The linear one is the pipeline of `estimator=linear` with its defaults.
    """
    classes = bool(schema.classes)
    nothing = DummyClassifier(strategy="prior") if classes else DummyRegressor()
    models = {
        MAJORITY if classes else MEAN: Pipeline([("clf", nothing)]),
        LOGISTIC if classes else RIDGE: build_pipeline(schema, seed, LINEAR),
    }
    return {name: model.fit(features, labels) for name, model in models.items()}
