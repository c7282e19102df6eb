"""Probabilities and labels from a fitted pipeline, by the shortest way that is exactly its own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

if TYPE_CHECKING:
    from steps.data.schema import Schema

DEFAULT_THRESHOLD = 0.5


class Predictor:
    """A fitted classifier of two classes.

    `probabilities` takes float64 columns in the order of the schema's features, NaN where a
    value is missing, and gives one float64 row per row and one column per class. It may be
    called from several threads at a time.
    """

    def __init__(self, estimator: Any, schema: Schema, threshold: float) -> None:
        self._estimator, self._schema, self._threshold = estimator, schema, threshold
        self._fills = fill_values(estimator, schema)
        if self._fills is not None:
            # Chunks are spread over threads already, and trees that add up their votes in one
            # thread do so in one order: the sum is the same to the last bit.
            self._forest = copy.copy(estimator.named_steps["clf"])
            self._forest.set_params(n_jobs=1, verbose=0)

    @property
    def is_direct(self) -> bool:
        """Whether the forest is called on plain arrays, without the pipeline around it."""
        return self._fills is not None

    def probabilities(self, features: list[np.ndarray]) -> np.ndarray:
        """Give the probability of each class."""
        result: np.ndarray
        if self._fills is not None:
            result = self._forest.predict_proba(self._matrix(features, self._fills))
        else:
            import pandas as pd

            columns = dict(zip(self._schema.features, features, strict=True))
            result = self._estimator.predict_proba(pd.DataFrame(columns))
        return result

    def classes(self, probabilities: np.ndarray) -> np.ndarray:
        """Give the position (0 or 1) of each row's class.

        At the default threshold this is scikit-learn's `predict`: the first of equal
        probabilities wins. At any other, a row is positive from the threshold on.
        """
        if self._threshold == DEFAULT_THRESHOLD:
            first: np.ndarray = np.argmax(probabilities, axis=1)
            return first
        positive: np.ndarray = probabilities[:, 1] >= self._threshold
        return positive.astype(np.intp)

    def _matrix(self, features: list[np.ndarray], fills: list[float]) -> np.ndarray:
        # float32 is what the forest computes in; its own conversion gives the same numbers.
        matrix = np.empty((len(features[0]), len(features)), dtype=np.float32)
        for position, name in enumerate(self._schema.features):
            column = features[position]
            missing = np.isnan(column)
            if name in self._schema.zero_as_missing:
                missing |= column == 0
            matrix[:, position] = np.where(missing, fills[position], column)
        return matrix


def fill_values(estimator: Any, schema: Schema) -> list[float] | None:
    """Give what each feature's missing values are replaced by, in the order of the features.

    None if the estimator is not exactly what `steps.model.pipeline.build_pipeline` makes: then
    nothing is known about how it treats a value.
    """
    if type(estimator) is not Pipeline or [name for name, _ in estimator.steps] != [
        "fillna",
        "clf",
    ]:
        return None
    columns, forest = estimator.named_steps["fillna"], estimator.named_steps["clf"]
    if type(columns) is not ColumnTransformer or type(forest) is not RandomForestClassifier:
        return None
    plain = columns.remainder == "drop" and columns.transformer_weights is None
    if not plain or _gives_frames(estimator, columns):
        return None
    filled: list[str] = []
    fills: list[float] = []
    for _, imputer, names in columns.transformers_:
        kinds = {name in schema.zero_as_missing for name in names}
        last = _imputer(imputer, kinds.pop()) if len(kinds) == 1 else None
        if last is None or len(last.statistics_) != len(names):
            return None
        filled += names
        fills += [float(mean) for mean in last.statistics_]
    return fills if tuple(filled) == schema.features else None


def _gives_frames(*parts: Any) -> bool:
    return any(hasattr(part, "_sklearn_output_config") for part in parts)


def _imputer(imputer: Any, zero_is_missing: bool) -> SimpleImputer | None:
    """Give the imputer that holds the mean, or None if these are not the expected ones."""
    expected: list[dict[str, Any]] = [{"strategy": "mean", "missing_values": np.nan}]
    found = [imputer]
    if zero_is_missing:
        if type(imputer) is not Pipeline:
            return None
        found = [step for _, step in imputer.steps]
        expected = [
            {"strategy": "constant", "missing_values": np.nan, "fill_value": 0.0},
            {"strategy": "mean", "missing_values": 0.0},
        ]
    if len(found) != len(expected):
        return None
    always = {"keep_empty_features": True, "add_indicator": False}
    for step, parameters in zip(found, expected, strict=True):
        if type(step) is not SimpleImputer:
            return None
        actual = step.get_params()
        if any(not _same(actual[name], value) for name, value in (parameters | always).items()):
            return None
    last = found[-1]
    return last if last.statistics_.dtype == np.float64 else None


def _same(found: Any, expected: Any) -> bool:
    is_nan = isinstance(expected, float) and np.isnan(expected)
    return bool(isinstance(found, float) and np.isnan(found)) if is_nan else found == expected
