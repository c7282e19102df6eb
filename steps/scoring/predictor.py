"""Probabilities and labels from a fitted pipeline, by the shortest way that is exactly its own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.model.metrics import DEFAULT_THRESHOLD, decide
from steps.model.pipeline import fill_values

if TYPE_CHECKING:
    from steps.data.schema import Schema


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

        The rule is `steps.model.metrics.decide`. At the default threshold it is that of
        scikit-learn's `predict`, which is asked of both probabilities: their sum is not always 1
        to the last bit.
        """
        if self._threshold == DEFAULT_THRESHOLD:
            largest: np.ndarray = np.argmax(probabilities, axis=1)
            return largest
        return decide(probabilities[:, 1], self._threshold).astype(np.intp)

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
