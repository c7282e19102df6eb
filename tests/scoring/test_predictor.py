"""The direct way gives what scikit-learn's own calls give, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline

from steps.data.schema import Schema
from steps.model.pipeline import fill_values
from steps.scoring.predictor import Predictor
from tests.scoring.conftest import FEATURES, FRAME, PIPELINE, SCHEMA, fit

DEEP = fit(n_estimators=40, max_depth=None, n_jobs=2)

VALUES = st.one_of(
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, np.nan, 1e-45, 3.4e38]),
    st.sampled_from(FRAME["BMI"].tolist()),
)


# A machine that is busy with other tests is slow now and then.
@settings(deadline=None)
@given(st.lists(st.tuples(*[VALUES] * 8), min_size=1, max_size=30), st.sampled_from([0, 1]))
def test_same_as_the_pipeline(values: list[tuple[float, ...]], which: int) -> None:
    pipeline = (PIPELINE, DEEP)[which]
    columns = [np.array(column) for column in zip(*values, strict=True)]
    frame = pd.DataFrame(dict(zip(FEATURES, columns, strict=True)))
    predictor = Predictor(pipeline, SCHEMA, 0.5)
    assert predictor.is_direct
    found = predictor.probabilities(columns)
    # With n_jobs=2 the pipeline's own sum depends on which thread is first.
    one_thread = pipeline.set_params(clf__n_jobs=1)
    np.testing.assert_array_equal(found, one_thread.predict_proba(frame))
    labels = one_thread.classes_[predictor.classes(found)]
    np.testing.assert_array_equal(labels, one_thread.predict(frame))


def test_on_training_rows_with_missing_values() -> None:
    frame = FRAME[FEATURES].mask(np.random.default_rng(0).random((768, 8)) < 0.2)
    found = Predictor(PIPELINE, SCHEMA, 0.5).probabilities(
        [frame[name].to_numpy() for name in FEATURES]
    )
    np.testing.assert_array_equal(found, PIPELINE.predict_proba(frame))


def test_ties_go_to_the_first_class_as_in_predict() -> None:
    half = np.array([[0.5, 0.5], [0.4, 0.6]])
    assert Predictor(PIPELINE, SCHEMA, 0.5).classes(half).tolist() == [0, 1]


@pytest.mark.parametrize(("threshold", "classes"), [(0.3, [0, 1, 1]), (0.6, [0, 0, 1])])
def test_threshold(threshold: float, classes: list[int]) -> None:
    probabilities = np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    assert Predictor(PIPELINE, SCHEMA, threshold).classes(probabilities).tolist() == classes


def other_forest() -> Any:
    return Pipeline(
        [("fillna", PIPELINE["fillna"]), ("clf", ExtraTreesClassifier(5, random_state=0))]
    )


def other_imputer() -> Any:
    return fit().set_params(fillna__columns_0__strategy="median")


def one_imputer_for_all() -> Any:
    imputer = ColumnTransformer([("all", SimpleImputer(keep_empty_features=True), FEATURES)])
    return Pipeline([("fillna", imputer), ("clf", PIPELINE["clf"])])


def with_frames() -> Any:
    return fit().set_output(transform="default")


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(SimpleImputer(), ExtraTreesClassifier(5, random_state=0)),
        other_forest,
        other_imputer,
        one_imputer_for_all,
        with_frames,
    ],
)
def test_any_other_pipeline_is_called_as_it_is(make: Any) -> None:
    estimator = make().fit(FRAME[FEATURES], FRAME["Outcome"])
    predictor = Predictor(estimator, SCHEMA, 0.5)
    assert not predictor.is_direct
    found = predictor.probabilities([FRAME[name].to_numpy() for name in FEATURES])
    np.testing.assert_array_equal(found, estimator.predict_proba(FRAME[FEATURES]))


def test_another_schema_is_not_taken_for_the_models_own() -> None:
    other = Schema(SCHEMA.features[::-1], "Outcome", (0, 1), SCHEMA.zero_as_missing)
    assert fill_values(PIPELINE, other) is None
    fewer = Schema(SCHEMA.features, "Outcome", (0, 1), ("Glucose",))
    assert fill_values(PIPELINE, fewer) is None


def test_an_imputer_for_each_column_is_called_directly_too() -> None:
    own = {
        name: clone(
            next(step for _, step, names in PIPELINE["fillna"].transformers_ if name in names)
        )
        for name in FEATURES
    }
    imputers = ColumnTransformer(
        [(f"column_{i}", own[name], [name]) for i, name in enumerate(FEATURES)]
    )
    estimator = Pipeline([("fillna", imputers), ("clf", clone(PIPELINE["clf"]))])
    estimator.fit(FRAME[FEATURES], FRAME["Outcome"])
    predictor = Predictor(estimator, SCHEMA, 0.5)
    assert predictor.is_direct
    found = predictor.probabilities([FRAME[name].to_numpy() for name in FEATURES])
    np.testing.assert_array_equal(found, estimator.predict_proba(FRAME[FEATURES]))
