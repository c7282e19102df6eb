"""The pipeline gives the forest the very matrix of "zeros to NaN, then SimpleImputer()"."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold

from steps.data.schema import Schema
from steps.model.estimators import FAMILIES
from steps.model.pipeline import build_pipeline
from tests.conftest import DIABETES

ZERO = ("Glucose", "BloodPressure", "SkinThickness", "Insulin", "BMI")


@pytest.fixture(scope="module")
def diabetes() -> tuple[pd.DataFrame, np.ndarray, Schema]:
    table = pd.read_csv(DIABETES)
    features = table.drop(columns="Outcome").astype("float64")
    schema = Schema(tuple(features.columns), "Outcome", (0, 1), ZERO)
    return features, table["Outcome"].to_numpy(), schema


def reference(features: pd.DataFrame) -> pd.DataFrame:
    return features.assign(**{name: features[name].replace(0, np.nan) for name in ZERO})


def test_same_matrix_bit_for_bit(diabetes: tuple[pd.DataFrame, np.ndarray, Schema]) -> None:
    features, labels, schema = diabetes
    for train, test in StratifiedKFold(5).split(features, labels):
        ours = build_pipeline(schema, 0)["fillna"]
        theirs = SimpleImputer().fit(reference(features.iloc[train]))
        matrix = ours.fit_transform(features.iloc[train])
        assert np.array_equal(matrix, theirs.transform(reference(features.iloc[train])))
        unseen = ours.transform(features.iloc[test])
        assert np.array_equal(unseen, theirs.transform(reference(features.iloc[test])))


def test_same_probabilities(diabetes: tuple[pd.DataFrame, np.ndarray, Schema]) -> None:
    features, labels, schema = diabetes
    ours = build_pipeline(schema, 7, n_estimators=20, max_depth=5).fit(features, labels)
    filled = SimpleImputer().fit_transform(reference(features))
    theirs = RandomForestClassifier(20, max_depth=5, random_state=7).fit(filled, labels)
    assert np.array_equal(ours.predict_proba(features), theirs.predict_proba(filled))


def test_nan_and_zero_are_both_missing(diabetes: tuple[pd.DataFrame, np.ndarray, Schema]) -> None:
    features, _, schema = diabetes
    fill = build_pipeline(schema, 0)["fillna"].fit(features)
    row = features.head(1).copy()
    row.loc[:, "Glucose"] = 0.0
    zero = fill.transform(row)
    row.loc[:, "Glucose"] = np.nan
    assert np.array_equal(zero, fill.transform(row))
    row.loc[:, "Age"] = np.nan
    assert fill.transform(row)[0, 7] == features["Age"].mean()


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_numbers_are_numbers(
    diabetes: tuple[pd.DataFrame, np.ndarray, Schema], family: str
) -> None:
    features, labels, schema = diabetes
    pipeline = build_pipeline(schema, 0, family).fit(features, labels)
    # A request may hold whole numbers only, though the training data had fractions.
    whole = features.round().astype("int64").head(50)
    assert np.array_equal(
        pipeline.predict_proba(whole), pipeline.predict_proba(whole.astype("float64"))
    )


def test_any_column_name_will_do() -> None:
    names = ("n_jobs", "a__b", "transformers", "ünï (cm)", "", "x")
    features = pd.DataFrame(np.arange(24.0).reshape(4, 6), columns=list(names))
    pipeline = build_pipeline(Schema(names, "y", ("no", "yes"), ("x",)), 0, n_estimators=2)
    pipeline.fit(features, np.array(["no", "yes", "no", "yes"], dtype=object))
    assert pipeline.predict_proba(features).shape == (4, 2)
    assert {name for name in pipeline.get_params() if name.startswith("clf__n_")} >= {
        "clf__n_estimators"
    }
