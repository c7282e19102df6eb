"""Turn a candidate, which is JSON, into its pipeline.

A candidate holds parameters of a pipeline. If a search covers several families, the key `clf`
names the candidate's own: `{"clf": "linear", "clf__C": 0.1}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.pipeline import Pipeline

from steps.model.estimators import (
    AVERAGE,
    BOOSTING,
    EXTRA_TREES,
    FAMILIES,
    FOREST,
    FOREST_COLUMNS,
)
from steps.model.pipeline import CLF, FILLNA, build_pipeline

if TYPE_CHECKING:
    from steps.data.schema import Label, Schema
    from steps.model.grid import Candidate

CLASS_WEIGHT = f"{CLF}__class_weight"


def unfitted_pipelines(families: Sequence[str], schema: Schema, seed: int) -> dict[str, Pipeline]:
    """Build the pipeline of each family with its defaults, by name."""
    return {
        name: average(schema, seed) if name == AVERAGE else build_pipeline(schema, seed, name)
        for name in families
    }


def average(schema: Schema, seed: int) -> Pipeline:
    """Build the pipeline that averages the predictions of all families, each with its `fillna`."""
    columns = FOREST_COLUMNS["classes" if schema.classes else "numbers"]
    own = {name: {"max_features": columns} for name in (FOREST, EXTRA_TREES)}
    members = [(name, build_pipeline(schema, seed, name, **own.get(name, {}))) for name in FAMILIES]
    voting = (
        VotingClassifier(members, voting="soft") if schema.classes else VotingRegressor(members)
    )
    return Pipeline([(FILLNA, "passthrough"), (CLF, voting)])


def family_of(candidate: Candidate, families: Mapping[str, Pipeline]) -> str:
    """Name the family of a candidate: its own, or the only one there is."""
    return str(candidate.get(CLF, next(iter(families))))


def candidate_pipeline(
    candidate: Candidate, families: Mapping[str, Pipeline], classes: Sequence[Label]
) -> Pipeline:
    """Build a candidate's own unfitted pipeline.

    Raises ValueError for a class weight of an unknown class, and any error of `set_params`.
    """
    name = family_of(candidate, families)
    own = {key: value for key, value in candidate.items() if key != CLF}
    if CLASS_WEIGHT in own:
        own[CLASS_WEIGHT] = with_labels(own[CLASS_WEIGHT], classes, encoded=name == BOOSTING)
    # A value may be an estimator: each fit gets its own, as in GridSearchCV.
    pipeline: Pipeline = clone(families[name]).set_params(**clone(own, safe=False))
    return pipeline


def with_labels(weights: Any, classes: Sequence[Label], *, encoded: bool) -> Any:
    """Restore the labels of class weights, because the keys of a JSON object are texts.

    `classes` are sorted. With `encoded`, keys become positions of classes, and any other class
    gets 1: scikit-learn 1.9.1's histogram boosting looks weights up by its own codes, other
    estimators by labels. Raises ValueError for an unknown class. Returns anything but a mapping
    unchanged.
    """
    if not isinstance(weights, Mapping):
        return weights
    labels = {_json_key(label): label for label in classes}
    wrong = [key for key in weights if _json_key(key) not in labels]
    if wrong:
        raise ValueError(f"expected classes {', '.join(labels)}, found {wrong[0]}")
    own = {labels[_json_key(key)]: weight for key, weight in weights.items()}
    if not encoded:
        return own
    return {position: own.get(label, 1) for position, label in enumerate(classes)}


def _json_key(label: Any) -> str:
    # As JSON writes a key: true for True.
    return str(label).lower() if isinstance(label, bool | np.bool_) else str(label)
