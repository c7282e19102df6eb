"""A trained model to evaluate, on the real table."""

from __future__ import annotations

import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, train_test_split

from steps.data.schema import Schema
from steps.model.evaluation import Evaluation, Trained, evaluate
from steps.model.metrics import SCORERS
from steps.model.pipeline import build_pipeline
from tests.conftest import DIABETES

ZERO_IS_MISSING = ("Glucose", "BloodPressure", "SkinThickness", "Insulin", "BMI")


def train(grid: dict[str, list[object]], frame: pd.DataFrame | None = None) -> Trained:
    """Search on three quarters of a table whose last column is the target."""
    if frame is None:
        frame = pd.read_csv(DIABETES)
    *features, target = frame.columns
    frame = frame.astype(dict.fromkeys(features, float))
    negative, positive = sorted(frame[target].unique().tolist())
    zero = tuple(name for name in ZERO_IS_MISSING if name in features)
    schema = Schema(tuple(features), target, (negative, positive), zero)
    rows, test = train_test_split(frame, test_size=0.25, random_state=42, stratify=frame[target])
    search = GridSearchCV(
        build_pipeline(schema, 42),
        grid,
        scoring=list(SCORERS) if positive == 1 else ["roc_auc", "accuracy"],
        refit="roc_auc",
        cv=5,
    ).fit(rows[features], rows[target].to_numpy())
    return Trained(
        search.best_estimator_, rows, test, schema, search.cv_results_, "roc_auc", 5, seed=42
    )


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train({"clf__n_estimators": [2, 3], "clf__max_depth": [3, 4]})


@pytest.fixture(scope="session")
def evaluation(trained: Trained) -> Evaluation:
    return evaluate(trained, 0.5, details=True)
