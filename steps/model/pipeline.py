"""The model pipeline: zeros to missing, mean imputation, random forest.

It is made of scikit-learn's own parts only, so a saved model needs none of this project's code.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline

if TYPE_CHECKING:
    from steps.data.schema import Schema


def build_pipeline(schema: Schema, seed: int, **parameters: Any) -> Pipeline:
    """Build the unfitted pipeline; `parameters` are the forest's.

    Features keep their order, so the forest sees the very matrix that "replace 0 by NaN in these
    columns, then SimpleImputer()" gives. Neighbours of a kind share an imputer, which has a mean
    for each column: an imputer for each would double the time of a fit, and its parameters
    would be more than MLflow takes in one request. Names of the transformers are numbered
    because a column's name need not be a valid one.
    """
    kinds = groupby(schema.features, key=lambda name: name in schema.zero_as_missing)
    imputers = [
        (f"columns_{position}", _imputer(zero_is_missing), list(names))
        for position, (zero_is_missing, names) in enumerate(kinds)
    ]
    return Pipeline(
        [
            ("fillna", ColumnTransformer(imputers)),
            ("clf", RandomForestClassifier(random_state=seed, **parameters)),
        ]
    )


def _imputer(zero_is_missing: bool) -> SimpleImputer | Pipeline:
    # A fold may hold no value of a rare column: without keep_empty_features the column would go.
    if not zero_is_missing:
        return SimpleImputer(keep_empty_features=True)
    # An imputer knows one mark for "missing": NaN first becomes 0, then 0 becomes the mean.
    return make_pipeline(
        SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True),
        SimpleImputer(missing_values=0.0, keep_empty_features=True),
    )


def fill_values(estimator: Any, schema: Schema) -> list[float] | None:
    """Give what each feature's missing values are replaced by, in the order of the features.

    None if the estimator is not exactly what `build_pipeline` makes and fits (imputers may share
    columns in another way): then nothing is known about how it treats a value.
    """
    if type(estimator) is not Pipeline or [*estimator.named_steps] != ["fillna", "clf"]:
        return None
    columns, forest = estimator.named_steps.values()
    if type(columns) is not ColumnTransformer or type(forest) is not RandomForestClassifier:
        return None
    whole = Pipeline([("fillna", ColumnTransformer(columns.transformers)), ("clf", forest)])
    if not _alike(estimator, whole):
        return None
    filled: list[str] = []
    fills: list[float] = []
    for _, imputer, names in columns.transformers_:
        kinds = {name in schema.zero_as_missing for name in names}
        if len(kinds) != 1 or not _alike(imputer, _imputer(kinds.pop())):
            return None
        mean = imputer[-1] if isinstance(imputer, Pipeline) else imputer
        if mean.statistics_.dtype != np.float64 or len(mean.statistics_) != len(names):
            return None
        filled += names
        fills += mean.statistics_.tolist()
    return fills if tuple(filled) == schema.features else None


def _alike(one: Any, other: Any) -> bool:
    """Tell whether two estimators are of the same types and parameters, all the way down."""
    if type(one) is not type(other) or hasattr(one, "_sklearn_output_config"):
        return False
    if one is other:
        return True
    if isinstance(one, BaseEstimator):
        return _alike(one.get_params(deep=False), other.get_params(deep=False))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other or (one != one and other != other))
