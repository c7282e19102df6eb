"""The model pipelines, one for each family: `fillna` makes numbers of the table, `clf` predicts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from steps.model.encoding import kind_of, transformer
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
