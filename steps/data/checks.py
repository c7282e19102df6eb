"""Warnings about columns that give the answer away."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from steps.data.schema import Schema

# The feature alone gets right this share of what a guess without it gets wrong.
ALMOST_ALL = 0.98
FEWEST_ROWS = 50
MOST_ROWS = 10_000
# The check reads at most this many cells, so a wide table is judged by fewer rows.
MOST_CELLS = 2_000_000


def giveaways(train: pa.Table, schema: Schema) -> list[str]:
    """Name the features each of which alone predicts the target almost perfectly.

    A small tree on one feature is fitted on every other row of a sample of the training rows, and
    judged on the rest by how much of a constant guess's error it removes: wrong classes, or
    variance for numbers.
    """
    rows = min(MOST_ROWS, max(MOST_CELLS // len(schema.features), 500))
    if len(train) < FEWEST_ROWS:
        return []
    chosen = np.unique(np.linspace(0, len(train) - 1, rows).astype(np.int64))
    chosen = np.random.default_rng(0).permutation(chosen)
    sample = train.take(pa.array(chosen))
    target = _codes(sample.column(schema.target)) if schema.classes else None
    truth = sample.column(schema.target).to_numpy() if target is None else target
    halves = np.arange(len(truth)) % 2 == 0
    return [
        name
        for name in schema.features
        if _explained(_codes(sample.column(name)), truth, halves, schema) >= ALMOST_ALL
    ]


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """Return numbers unchanged, and a number for each distinct text or boolean."""
    if pa.types.is_floating(column.type):
        floats: np.ndarray = column.to_numpy()
        return floats
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = encoded.unify_dictionaries().combine_chunks().indices
    positions: np.ndarray = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
    return positions.astype(np.float64)


def _explained(feature: np.ndarray, truth: np.ndarray, fitted: np.ndarray, schema: Schema) -> float:
    # The import takes a second, and only preprocess needs it.
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if schema.classes else DecisionTreeRegressor
    tree = kind(max_leaf_nodes=max(64, 2 * len(schema.classes)), random_state=0)
    with warnings.catch_warnings():
        # A sample of few rows may have as many classes.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        tree.fit(feature[fitted, None], truth[fitted])
    predicted, rest = tree.predict(feature[~fitted, None]), truth[~fitted]
    if not schema.classes:
        spread = float(np.var(rest))
        return 1 - float(np.mean((predicted - rest) ** 2)) / spread if spread else 0.0
    values, counts = np.unique(rest, return_counts=True)
    by_guess = float(np.mean(rest != values[counts.argmax()]))
    return 1 - float(np.mean(predicted != rest)) / by_guess if by_guess else 0.0
