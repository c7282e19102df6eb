"""Scores of a binary classifier, for original labels of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    get_scorer,
    make_scorer,
    precision_score,
    recall_score,
    roc_auc_score,
)

if TYPE_CHECKING:
    from steps.data.schema import Schema

SCORERS = ("roc_auc", "precision", "recall", "f1", "accuracy")
_OF_POSITIVE = {"precision": precision_score, "recall": recall_score, "f1": f1_score}

# The threshold of scikit-learn's `predict` where there are two classes.
PREDICT = 0.5


def scorers(schema: Schema) -> dict[str, Any]:
    """Make the search's scorers.

    `zero_division=0` is what scikit-learn's own give as well, but with a warning for each fold.
    """
    found: dict[str, Any] = {name: get_scorer(name) for name in SCORERS}
    for name, function in _OF_POSITIVE.items():
        found[name] = make_scorer(function, pos_label=schema.positive, zero_division=0.0)
    return found


def scoring(schema: Schema) -> list[str] | dict[str, Any]:
    """Describe the search's scorers: by scikit-learn's names where they fit the labels.

    Its precision, recall and f1 take 1 for the positive class; other labels must be named.
    """
    return list(SCORERS) if schema.positive == 1 else scorers(schema)


def decide(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Decide for the positive class where its probability reaches the threshold.

    At 0.5 these are the decisions of scikit-learn's `predict`, which gives a tie to the negative
    class.
    """
    decided: np.ndarray = (
        probability > threshold if threshold == PREDICT else probability >= threshold
    )
    return decided


def class_scores(
    actual: np.ndarray, probability: np.ndarray, predicted: np.ndarray
) -> dict[str, float]:
    """Score predictions; all three are arrays over rows, `actual` and `predicted` of bool."""
    return {
        "roc_auc": float(roc_auc_score(actual, probability)),
        "precision": float(precision_score(actual, predicted, zero_division=0.0)),
        "recall": float(recall_score(actual, predicted)),
        "f1": float(f1_score(actual, predicted, zero_division=0.0)),
        "accuracy": float(accuracy_score(actual, predicted)),
    }
