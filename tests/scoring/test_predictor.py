"""The direct way gives what scikit-learn's own calls give, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline

from steps.data.schema import Schema
from steps.model.candidates import average
from steps.model.pipeline import build_pipeline
from steps.scoring.predictor import Predictor, _Framed
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
    found = predictor.predict(columns).output
    # With n_jobs=2 the pipeline's own sum depends on which thread is first.
    one_thread = pipeline.set_params(clf__n_jobs=1)
    np.testing.assert_array_equal(found, one_thread.predict_proba(frame))
    labels = one_thread.classes_[predictor.classes(found)]
    np.testing.assert_array_equal(labels, one_thread.predict(frame))


def test_on_training_rows_with_missing_values() -> None:
    frame = FRAME[FEATURES].mask(np.random.default_rng(0).random((768, 8)) < 0.2)
    columns = [frame[name].to_numpy() for name in FEATURES]
    found = Predictor(PIPELINE, SCHEMA, 0.5).predict(columns).output
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


@pytest.mark.parametrize(
    ("make", "is_direct"),
    [
        (lambda: make_pipeline(SimpleImputer(), ExtraTreesClassifier(5, random_state=0)), False),
        (lambda: fit().set_output(transform="pandas"), False),
        (other_forest, True),
        (other_imputer, True),
        (one_imputer_for_all, True),
    ],
)
def test_any_other_pipeline(make: Any, is_direct: bool) -> None:
    estimator = make().fit(FRAME[FEATURES], FRAME["Outcome"])
    predictor = Predictor(estimator, SCHEMA, 0.5)
    assert predictor.is_direct == is_direct
    found = predictor.predict([FRAME[name].to_numpy() for name in FEATURES]).output
    np.testing.assert_array_equal(found, estimator.predict_proba(FRAME[FEATURES]))


def test_features_are_taken_by_their_names() -> None:
    other = Schema(SCHEMA.features[::-1], "Outcome", (0, 1), SCHEMA.zero_as_missing)
    columns = [FRAME[name].to_numpy() for name in FEATURES[::-1]]
    found = Predictor(PIPELINE, other, 0.5).predict(columns).output
    np.testing.assert_array_equal(found, PIPELINE.predict_proba(FRAME[FEATURES]))


FAMILIES = {
    "random_forest": {"n_estimators": 3},
    "extra_trees": {"n_estimators": 3},
    "hist_gradient_boosting": {"max_iter": 5},
    "linear": {},
}
CLASSES = {"binary": ("bad", "good"), "multiclass": ("a", "b", "c"), "regression": ()}


@pytest.mark.parametrize("family", [*FAMILIES, "average"])
@pytest.mark.parametrize("task", CLASSES)
def test_categories(family: str, task: str) -> None:
    random = np.random.default_rng(0)
    texts = np.array([f"value {i}" for i in range(150)] + ["ü", "x,y", ""], dtype=object)
    columns: dict[str, Any] = {
        "few": texts[random.integers(0, 4, 300)],
        "many": texts[random.integers(0, 150, 300)],
        "number": random.normal(size=300),
        "also few": texts[random.integers(2, 9, 300)],
        "zero": random.integers(0, 5, 300).astype(float),
    }
    labels = random.choice(CLASSES[task], 300) if CLASSES[task] else random.normal(size=300)
    schema = Schema(
        tuple(columns), "y", CLASSES[task], ("zero",),
        categories=("few", "many", "also few"), many_valued=("many",),
    )  # fmt: skip
    train = pd.DataFrame(columns)
    train.loc[random.random(300) < 0.1, ["few", "number"]] = np.nan
    if family == "average":
        unfitted = average(schema, 0)
        few = {"random_forest": "n_estimators", "extra_trees": "n_estimators"}
        few["hist_gradient_boosting"] = "max_iter"
        unfitted.set_params(**{f"clf__{name}__clf__{key}": 2 for name, key in few.items()})
    else:
        unfitted = build_pipeline(schema, 0, family, **FAMILIES[family])
    pipeline = unfitted.fit(train, labels)
    predictor = Predictor(pipeline, schema, 0.5)
    assert predictor.is_direct
    new = train.sample(400, replace=True, random_state=1, ignore_index=True)
    new.loc[:9, "few"], new.loc[10:29, ["many", "also few"]] = "unseen", None
    call = pipeline.predict_proba if CLASSES[task] else pipeline.predict
    for rows in (slice(0, 1), slice(5, 108), slice(0, 400)):
        part = new[rows]
        features = [
            pa.array(part[name], pa.string(), from_pandas=True).dictionary_encode()
            if name in schema.categories
            else part[name].to_numpy()
            for name in schema.features
        ]
        found = predictor.predict(features)
        np.testing.assert_array_equal(found.output, call(part))
    assert found.unseen == {"few": 10, "many": 0, "also few": 0}
    # Without the short way, the pipeline is given objects.
    framed = _Framed(pipeline, schema)
    again = framed.predict_proba(features) if CLASSES[task] else framed.predict(features)
    np.testing.assert_array_equal(again, found.output)


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
    found = predictor.predict([FRAME[name].to_numpy() for name in FEATURES]).output
    np.testing.assert_array_equal(found, estimator.predict_proba(FRAME[FEATURES]))
