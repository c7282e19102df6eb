"""The model pipeline: zeros to missing, mean imputation, random forest.

It is made of scikit-learn's own parts only, so a saved model needs none of this project's code.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

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
