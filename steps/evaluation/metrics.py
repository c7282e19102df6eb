"""Scores of a classifier's probabilities on rows it has not seen."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

# Of these the first two and the last two judge the probabilities, the others the decisions.
METRICS = ("roc_auc", "pr_auc", "precision", "recall", "f1", "accuracy", "brier", "log_loss")
LOWER_IS_BETTER = frozenset({"brier", "log_loss"})


def decide(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Decide for the positive class where its probability is above the threshold.

    At 0.5 these are the decisions of scikit-learn's `predict`, which gives a tie to the negative
    class.
    """
    decided: np.ndarray = probability > threshold
    return decided


def scores(truth: np.ndarray, probability: np.ndarray, threshold: float) -> dict[str, float]:
    """Score probabilities of the positive class, and the decisions at `threshold`.

    `truth` is True where a row is positive. A precision without any positive decision is 0.
    """
    decided = decide(probability, threshold)
    return {
        "roc_auc": float(roc_auc_score(truth, probability)),
        "pr_auc": float(average_precision_score(truth, probability)),
        "precision": float(precision_score(truth, decided, zero_division=0.0)),
        "recall": float(recall_score(truth, decided)),
        "f1": float(f1_score(truth, decided, zero_division=0.0)),
        "accuracy": float(accuracy_score(truth, decided)),
        "brier": float(brier_score_loss(truth, probability)),
        "log_loss": float(log_loss(truth, probability, labels=[False, True])),
    }
