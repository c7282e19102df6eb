"""The model pipelines, one for each family: `fillna` makes numbers of the table, `clf` predicts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from steps.model.encoding import kind_of, mean_imputer, transformer
from steps.model.estimators import FOREST, unfitted_estimator

if TYPE_CHECKING:
    from steps.data.schema import Schema

FILLNA, CLF = "fillna", "clf"


def build_pipeline(schema: Schema, seed: int, family: str = FOREST, **parameters: Any) -> Pipeline:
    """Build the unfitted pipeline of one family; `parameters` are the estimator's.

    Its input is a frame of the features in their order: float64 with NaN, and for categories
    `object` columns of text with NaN, which may be None when it predicts.

    Features keep their order, so a forest of numbers sees the very matrix that "replace 0 by NaN
    in these columns, then SimpleImputer()" gives. Neighbours of a kind share a transformer: one
    for each would double the time of a fit, and its parameters would be more than MLflow takes in
    one request. Their names are numbered because a column's name need not be a valid one.
    """
    kinds = groupby(schema.features, key=lambda name: kind_of(name, schema))
    transformers = [
        (f"columns_{position}", transformer(family, kind, schema.task, seed), list(names))
        for position, (kind, names) in enumerate(kinds)
    ]
    estimator = unfitted_estimator(family, regression=not schema.classes, seed=seed)
    return Pipeline(
        [
            (FILLNA, ColumnTransformer(transformers)),
            (CLF, estimator.set_params(**parameters)),
        ]
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
        if len(kinds) != 1 or not _alike(imputer, mean_imputer(kinds.pop())):
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
