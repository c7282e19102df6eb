"""A small table with a column of each kind, and a target of each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from steps.data.schema import Schema

ROWS = 120
TASKS = ("binary", "multiclass", "regression")
CLASSES = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}


def features(rows: int = ROWS) -> pd.DataFrame:
    """Make a number, one whose zeros are missing, a category, one of many values, a number."""
    random = np.random.default_rng(0)
    texts = np.array(["x", "y", "z", np.nan], dtype=object)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=rows),
            "zero": random.integers(0, 4, rows).astype(float),
            "kind": texts[random.integers(0, 4, rows)],
            "place": np.array([f"p{i}" for i in random.integers(0, 40, rows)], dtype=object),
            "last": random.normal(size=rows),
        }
    )
    frame.loc[::9, ["number", "last"]] = np.nan
    return frame


def schema(task: str) -> Schema:
    """Describe the table."""
    return Schema(
        features=("number", "zero", "kind", "place", "last"),
        target="target",
        classes=CLASSES[task],
        zero_as_missing=("zero",),
        categories=("kind", "place"),
        many_valued=("place",),
    )


def labels(task: str, rows: int = ROWS) -> np.ndarray:
    """Make a target that depends on the features."""
    frame = features(rows)
    value = frame["number"].fillna(0) + frame["zero"] / 2 + (frame["kind"] == "x")
    value += np.random.default_rng(1).normal(scale=0.5, size=rows)
    if task == "regression":
        return value.to_numpy()
    classes = np.array(CLASSES[task], dtype=object)
    return classes[pd.qcut(value, len(classes), labels=False)]
