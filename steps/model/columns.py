"""The steps before a forest, a few columns of the table at a time.

Fitting scikit-learn's ColumnTransformer on a whole table takes four copies of it: the columns
chosen, the imputer's own, one to average, and all parts side by side; a forest then makes a
narrower one. Where each column comes out by itself the narrow one can be filled block by block:
the values are the same, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler, TargetEncoder

from steps.data.schema import MULTICLASS

if TYPE_CHECKING:
    import pandas as pd

# What each of these learns of a column, and makes of it, depends on that column alone.
APART = (SimpleImputer, StandardScaler, OrdinalEncoder, TargetEncoder)
# Of a block as float64.
BYTES_OF_BLOCK = 16_000_000


@dataclass(frozen=True)
class Block:
    """Columns of the table, and the unfitted transformer of each of them."""

    names: list[str]
    transformer: Any


def blocks(steps: Pipeline, features: pd.DataFrame) -> list[Block] | None:
    """Divide what the steps before the last make of a table; None if its columns mix or vanish.

    Also None for a table whose columns do not each lie together in memory: numpy sums these in
    another order, and the last bit of a mean is another.
    """
    if len(steps) != 1 or type(steps[0]) is not ColumnTransformer:
        return None
    whole = steps[0]
    if whole.remainder != "drop" or whole.transformer_weights or not _lie_together(features):
        return None
    found = []
    for _, transformer, names in whole.transformers:
        if not all(_is_apart(part) for part in _parts(transformer)):
            return None
        count = max(1, BYTES_OF_BLOCK // (8 * len(features)))
        starts = range(0, len(names), count)
        found += [Block(list(names[start : start + count]), transformer) for start in starts]
    return found


def _parts(transformer: Any) -> Iterator[Any]:
    if isinstance(transformer, Pipeline):
        yield from (step for _, step in transformer.steps)
    else:
        yield transformer


def _is_apart(part: Any) -> bool:
    return (
        type(part) in APART
        # One column may make several, or none.
        and not getattr(part, "add_indicator", False)
        and getattr(part, "keep_empty_features", True)
        and getattr(part, "target_type", "") != MULTICLASS
        # Lists hold one entry for each column.
        and getattr(part, "categories", "auto") == "auto"
    )


def _lie_together(features: pd.DataFrame) -> bool:
    return all(features[name].to_numpy().flags.c_contiguous for name in features.columns)


def fill(
    parts: list[Block],
    features: pd.DataFrame,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Fit on the rows `train`, and make what a forest reads of them and of the rows `test`.

    Gives two float32 arrays, (rows, columns), and the seconds that each took. Their columns lie
    together, so that a tree that looks at one column does not read the others.
    """
    width = sum(len(part.names) for part in parts)
    seen, unseen = (np.empty((len(rows), width), np.float32, "F") for rows in (train, test))
    seconds, start, known = np.zeros(2), 0, labels[train]
    for part in parts:
        stop, columns = start + len(part.names), features[part.names]
        times = [time.perf_counter()]
        fitted = clone(part.transformer)
        seen[:, start:stop] = fitted.fit_transform(columns.iloc[train], known)
        times.append(time.perf_counter())
        if len(test):
            unseen[:, start:stop] = fitted.transform(columns.iloc[test])
        times.append(time.perf_counter())
        seconds += np.diff(times)
        start = stop
    return seen, unseen, (float(seconds[0]), float(seconds[1]))


def fit_narrow(steps: Pipeline, features: pd.DataFrame, labels: np.ndarray) -> Any:
    """Fit the steps before a forest on all rows, and give what the forest reads of these."""
    parts = blocks(steps, features)
    if parts is None:
        return steps.fit_transform(features, labels)
    steps.fit(features, labels)
    rows = np.arange(len(labels))
    return fill(parts, features, labels, rows, rows[:0])[0]
