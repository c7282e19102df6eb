"""Build the pipeline of each family: `fillna` turns the table into numbers, `clf` predicts."""

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
    `object` columns of text with NaN (or None, in predictions).

    Features keep their order, so for numbers a forest sees exactly the matrix of "replace 0 by NaN
    in these columns, then SimpleImputer()". Neighbours of a kind share a transformer: one for each
    column would double the time of a fit and have more parameters than MLflow accepts in one
    request. Transformers have numbers as names because a column's name may be invalid there.
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
