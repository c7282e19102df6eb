"""Fit the baselines of a model: a constant prediction, and a linear model of all columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline

from steps.model.estimators import LINEAR
from steps.model.pipeline import build_pipeline

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Schema

MAJORITY, LOGISTIC = "majority", "logistic"
MEAN, RIDGE = "mean", "ridge"
MOST_ROWS = 200_000
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

    The linear one is the pipeline of `estimator=linear` with its defaults, fitted on at most
    about `MOST_ROWS` rows: a few weights are no better known from more.
    """
    classes = bool(schema.classes)
    nothing = DummyClassifier(strategy="prior") if classes else DummyRegressor()
    linear = build_pipeline(schema, seed, LINEAR)
    constant = Pipeline([("clf", nothing)]).fit(features, labels)
    if len(labels) > MOST_ROWS:
        rows = _sample(labels, classes, seed)
        features, labels = features.iloc[rows], labels[rows]
    names = (MAJORITY, LOGISTIC) if classes else (MEAN, RIDGE)
    return dict(zip(names, (constant, linear.fit(features, labels)), strict=True))


def _sample(labels: np.ndarray, classes: bool, seed: int) -> np.ndarray:
    """Draw the positions of rows, and add all of a class that is not among them."""
    drawn = np.random.default_rng(seed).choice(len(labels), MOST_ROWS, replace=False)
    if not classes:
        return np.sort(drawn)
    left_out = np.setdiff1d(labels, labels[drawn])
    return np.union1d(drawn, np.flatnonzero(np.isin(labels, left_out)))
