"""Compute the metrics of a regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import get_scorer

METRICS = ("r2", "mae", "rmse", "median_absolute_error")


def scorers() -> dict[str, Any]:
    """Make the search's scikit-learn scorers, by name; errors have their sign changed."""
    return {
        "r2": get_scorer("r2"),
        "neg_mae": get_scorer("neg_mean_absolute_error"),
        "neg_rmse": get_scorer("neg_root_mean_squared_error"),
        "neg_median_absolute_error": get_scorer("neg_median_absolute_error"),
    }


def scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Score predictions: the share of the variance that they explain, and their errors.

    Errors are in the unit of the target.
    """
    errors = truth - predicted
    absolute = np.abs(errors)
    return {
        "r2": r2(truth, predicted),
        "mae": float(absolute.mean()),
        "rmse": float(np.sqrt(float(errors @ errors) / len(truth))),
        "median_absolute_error": float(np.median(absolute)),
    }


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Compute R²; as in scikit-learn, of a constant target it is 1 if all are exact, else 0."""
    errors, around = truth - predicted, truth - truth.mean()
    squares, variation = float(errors @ errors), float(around @ around)
    return 1 - squares / variation if variation else float(squares == 0)
