"""Prepare the columns for each family of estimators: fill, scale, encode categories.

Every part is scikit-learn's own, so a saved model needs none of this project's code.

==================  ========================  ========================  =======================
column              forests                   boosting                  linear
==================  ========================  ========================  =======================
number              mean                      as it is: NaN is its own  mean, scaled
zero means missing  zero is NaN, then mean    zero is NaN               the same as forests, scaled
category            its code                  its code                  one weight for each
... of many values  mean of its target        mean of its target        the same, scaled
==================  ========================  ========================  =======================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from steps.data.schema import BINARY, MULTICLASS
from steps.model.estimators import BOOSTING, LINEAR

if TYPE_CHECKING:
    from steps.data.schema import Schema

MANY, CATEGORY, ZERO, NUMBER = "many", "category", "zero", "number"

# The code for a missing category and for one that training has not seen. One code for both also
# makes None and NaN the same, which scikit-learn's encoders treat as two categories.
NO_CATEGORY = -1
# A linear model has a weight for each category; rarer ones share one.
MOST_WEIGHTS = 100
TARGET_FOLDS = 5


def kind_of(name: str, schema: Schema) -> str:
    """Say how to encode a feature."""
    if name in schema.many_valued:
        return MANY
    if name in schema.categories:
        return CATEGORY
    return ZERO if name in schema.zero_as_missing else NUMBER


def transformer(family: str, kind: str, task: str, seed: int) -> Any:
    """Make the unfitted transformer of a family for columns of a kind; `task` is the schema's."""
    scaled = family == LINEAR
    if kind == MANY:
        means = _target_means(task, seed)
        return make_pipeline(*means, StandardScaler()) if scaled else make_pipeline(*means)
    if kind == CATEGORY:
        return make_pipeline(codes(), _weights()) if scaled else codes()
    if family == BOOSTING:
        return "passthrough" if kind == NUMBER else _zeros_to_nan()
    imputer = mean_imputer(zero_is_missing=kind == ZERO)
    return make_pipeline(imputer, StandardScaler()) if scaled else imputer


def mean_imputer(zero_is_missing: bool) -> SimpleImputer | Pipeline:
    """Make the imputer that replaces missing values by the mean of the others."""
    # A fold may hold no value of a rare column; keep_empty_features then keeps the column.
    if not zero_is_missing:
        return SimpleImputer(keep_empty_features=True)
    return make_pipeline(
        *_nan_to_zero(), SimpleImputer(missing_values=0.0, keep_empty_features=True)
    )


def _nan_to_zero() -> tuple[StandardScaler, SimpleImputer]:
    # An imputer knows one mark for "missing": NaN first becomes 0, then 0 becomes the filling.
    # scikit-learn 1.9's constant imputer refuses whole numbers once it was fitted on floats. A
    # scaler that does not scale turns them into floats, and leaves floats as they are.
    floats = StandardScaler(copy=False, with_mean=False, with_std=False)
    return floats, SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)


def _zeros_to_nan() -> Pipeline:
    last = SimpleImputer(
        missing_values=0.0, strategy="constant", fill_value=np.nan, keep_empty_features=True
    )
    return make_pipeline(*_nan_to_zero(), last)


def codes() -> OrdinalEncoder:
    """Make the encoder of a category by its place in the alphabet."""
    return OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=NO_CATEGORY,
        encoded_missing_value=NO_CATEGORY,
    )


def _weights() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_WEIGHTS)


def _target_means(task: str, seed: int) -> tuple[OrdinalEncoder, TargetEncoder]:
    # By default the encoder takes a target of whole numbers for classes.
    kind = task if task in (BINARY, MULTICLASS) else "continuous"
    # Pass the folds as an object: scikit-learn 1.9 deprecates the encoder's random_state, without
    # which it is not reproducible. Not stratified: a class may have fewer rows than folds.
    folds = KFold(TARGET_FOLDS, shuffle=True, random_state=seed)
    return codes(), TargetEncoder(target_type=kind, cv=folds)
