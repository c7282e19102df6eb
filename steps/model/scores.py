"""Scores of a classifier's probabilities on rows it has not seen."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss

from steps.model.scorers import class_scores, decide

# Of these the first two and the last two judge the probabilities, the others the decisions.
METRICS = ("roc_auc", "pr_auc", "precision", "recall", "f1", "accuracy", "brier", "log_loss")
LOWER_IS_BETTER = frozenset({"brier", "log_loss"})


def scores(truth: np.ndarray, probability: np.ndarray, threshold: float) -> dict[str, float]:
    """Score probabilities of the positive class, and the decisions at `threshold`.

    `truth` is True where a row is positive. A precision without any positive decision is 0.
    """
    return {
        **class_scores(truth, probability, decide(probability, threshold)),
        "pr_auc": float(average_precision_score(truth, probability)),
        "brier": float(brier_score_loss(truth, probability)),
        "log_loss": float(log_loss(truth, probability, labels=[False, True])),
    }
