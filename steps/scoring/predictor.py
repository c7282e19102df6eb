"""Predict as a fitted pipeline does, exactly, by the shortest way."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.pipeline import Pipeline

from steps.data.schema import BINARY
from steps.model.metrics import DEFAULT_THRESHOLD, decide
from steps.model.openmp import one_thread
from steps.model.pipeline import CLF, FILLNA
from steps.scoring.boosting import binned
from steps.scoring.matrix import matrix_maker
from steps.scoring.rows import Predicted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steps.data.schema import Schema
    from steps.scoring.matrix import Feature, MatrixMaker

FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
AVERAGES = (VotingClassifier, VotingRegressor)


class Predictor:
    """A fitted classifier or regressor; `threshold` means something for two classes only.

    It takes features in schema order (see `steps.scoring.rows.Rows`). Several threads may call it
    at a time.
    """

    def __init__(self, estimator: Any, schema: Schema, threshold: float) -> None:
        self._schema, self._threshold = schema, threshold
        self._direct = _direct(estimator, schema)
        self._estimator: _Direct | _Framed = self._direct or _Framed(estimator, schema)
        # An estimator sorts its classes; the schema has the positive one last.
        sorted_classes = list(estimator.classes_) if schema.classes else []
        self._columns = [sorted_classes.index(label) for label in schema.classes]

    @property
    def is_direct(self) -> bool:
        """Whether the last step is called on plain arrays, without the pipeline around it."""
        return self._direct is not None

    def predict(self, features: Sequence[Feature]) -> Predicted:
        """Predict each row."""
        unseen = self._direct.maker.unseen(features) if self._direct else {}
        # Chunks are spread over threads already.
        with one_thread():
            if not self._schema.classes:
                return Predicted(self._estimator.predict(features), None, unseen)
            probabilities = self._estimator.predict_proba(features)
        if self._columns != sorted(self._columns):
            probabilities = probabilities[:, self._columns]
        return Predicted(probabilities, self.classes(probabilities), unseen)

    def classes(self, probabilities: np.ndarray) -> np.ndarray:
        """Give the position of each row's class.

        Two classes with a threshold other than the default use `steps.model.metrics.decide`.
        All others use the rule of scikit-learn's `predict`, which compares all probabilities: two
        of them do not always add up to 1 to the last bit.
        """
        if self._threshold == DEFAULT_THRESHOLD or self._schema.task != BINARY:
            largest: np.ndarray = np.argmax(probabilities, axis=1)
            return largest
        return decide(probabilities[:, 1], self._threshold).astype(np.intp)


@dataclass(frozen=True)
class _Direct:
    """A pipeline whose last step is called on a matrix that is made here, or on the features."""

    maker: MatrixMaker
    last: Any
    dtype: type[np.floating[Any]] | None

    def predict_proba(self, features: Sequence[Feature]) -> np.ndarray:
        found: np.ndarray = self.last.predict_proba(self._input(features))
        return found

    def predict(self, features: Sequence[Feature]) -> np.ndarray:
        found: np.ndarray = self.last.predict(self._input(features))
        return found

    def _input(self, features: Sequence[Feature]) -> Any:
        return features if self.dtype is None else self.maker.matrix(features, self.dtype)


def _direct(estimator: Any, schema: Schema) -> _Direct | None:
    if type(estimator) is not Pipeline or [*estimator.named_steps] != [FILLNA, CLF]:
        return None
    first, last = estimator.named_steps.values()
    if type(last) in AVERAGES and first == "passthrough":
        found = [_direct(member, schema) for member in last.estimators_]
        members = [member for member in found if member is not None]
        if len(members) < len(found):
            return None
        # The average passes its input, the plain features, on to its members.
        last = copy.copy(last)
        last.estimators_ = members
        return _Direct(members[0].maker, last, None)
    maker = matrix_maker(first, schema)
    if maker is None:
        return None
    if type(last) not in FORESTS:
        last = (None if maker.sparse else binned(last)) or last
        return _Direct(maker, last, np.float64)
    # Chunks are spread over threads already, and trees that add up their votes in one thread do
    # so in one order: the sum is the same to the last bit.
    last = copy.copy(last).set_params(n_jobs=1, verbose=0)
    # Forests compute in float32; their own conversion gives the same numbers.
    return _Direct(maker, last, np.float32)


@dataclass(frozen=True)
class _Framed:
    """Any other pipeline, called on a frame like the one it was fitted on."""

    estimator: Any
    schema: Schema

    def predict_proba(self, features: Sequence[Feature]) -> np.ndarray:
        found: np.ndarray = self.estimator.predict_proba(self._frame(features))
        return found

    def predict(self, features: Sequence[Feature]) -> np.ndarray:
        found: np.ndarray = self.estimator.predict(self._frame(features))
        return found

    def _frame(self, features: Sequence[Feature]) -> Any:
        import pandas as pd

        columns = {}
        for name, feature in zip(self.schema.features, features, strict=True):
            if isinstance(feature, np.ndarray):
                columns[name] = feature
                continue
            # Text is objects, NaN where missing.
            texts = np.append(np.asarray(feature.dictionary, dtype=object), np.nan)
            columns[name] = texts[feature.indices.fill_null(len(texts) - 1).to_numpy()]
        return pd.DataFrame(columns)
