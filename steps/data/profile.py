"""Profile of the training rows, for the report and for noticing drift: `data/profile.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Schema

# Ten bins of equal weight are the usual ones of the population stability index.
BINS = 10


def profile(train: pd.DataFrame, rows_test: int, schema: Schema) -> dict[str, Any]:
    """Summarise the training rows: classes, and per feature its missing share, range and bins.

    The bins are (e[i-1], e[i]], cut at the deciles of the values present; a feature with few
    different values has fewer bins.
    """
    counts = train[schema.target].value_counts()
    return {
        "rows": len(train),
        "rows_test": rows_test,
        "target": schema.target,
        "classes": {str(label): int(counts.get(label, 0)) for label in schema.classes},
        "features": {
            name: _feature(train[name].to_numpy(), missing_values(train, schema, name))
            for name in schema.features
        },
    }


def missing_values(frame: pd.DataFrame, schema: Schema, name: str) -> np.ndarray:
    """Mark the rows in which a feature is missing: NaN, or 0 where zeros mean missing."""
    values = frame[name].to_numpy()
    missing: np.ndarray = np.isnan(values)
    return missing | (values == 0) if name in schema.zero_as_missing else missing


def _feature(values: np.ndarray, missing: np.ndarray) -> dict[str, Any]:
    present = values[~missing]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, present), minlength=len(edges) + 1)
    return {
        "missing": float(missing.mean()),
        "mean": float(present.mean()),
        "std": float(present.std()),
        "min": float(present.min()),
        "max": float(present.max()),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }
