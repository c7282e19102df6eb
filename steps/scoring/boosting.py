"""Histogram boosting on bins instead of numbers: the same sums, in less time.

A fitted model compares a number with the edges between its bins, and only with these. So each
number is looked up once per row, and every tree compares bytes, as it did in fitting. That is
scikit-learn's own code, but not its documented interface: `binned` tries it beside `predict`
on rows at the edges, and gives it up if a single result differs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from steps.model.openmp import one_thread

BOOSTINGS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


@dataclass(frozen=True)
class Binned:
    """A boosting that takes a matrix of numbers, bins it, and predicts from the bins."""

    mapper: Any
    boosting: Any

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        """Give the probability of each class, of shape (rows, classes)."""
        found: np.ndarray = self.boosting.predict_proba(self.mapper.transform(matrix))
        return found

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Predict the number of each row."""
        found: np.ndarray = self.boosting.predict(self.mapper.transform(matrix))
        return found


def binned(boosting: Any) -> Binned | None:
    """Make a fitted boosting predict from bins; None if that might differ from what it predicts."""
    mapper = getattr(boosting, "_bin_mapper", None)
    # With categories of its own it numbers them first.
    if type(boosting) not in BOOSTINGS or mapper is None or _numbers_categories(boosting):
        return None
    ours = copy.copy(boosting)
    # While it is fitted, a boosting predicts from bins.
    ours._in_fit = True
    # Chunks are spread over threads already.
    quick = Binned(copy.copy(mapper).set_params(n_threads=1), ours)
    rows = _at_edges(mapper.bin_thresholds_)
    method = "predict_proba" if hasattr(boosting, "predict_proba") else "predict"
    with one_thread():
        wanted, found = (getattr(each, method)(rows) for each in (boosting, quick))
    return quick if np.array_equal(wanted, found) else None


def _numbers_categories(boosting: Any) -> bool:
    return getattr(boosting, "_preprocessor", None) is not None


def _at_edges(thresholds: list[np.ndarray]) -> np.ndarray:
    """Make rows of edges, of the numbers next to them, of infinite and of missing ones."""
    columns = []
    most = max(map(len, thresholds), default=0)
    for edges in thresholds:
        around = np.concatenate([edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)])
        columns.append(np.resize(np.append(around, [np.inf, -np.inf, np.nan]), 3 * most + 3))
    return np.column_stack(columns)
