"""Compute the metrics of a classifier of two classes, and the decisions some of them judge."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, get_scorer, make_scorer, precision_score, recall_score

from steps.model.levels import Levels

# Of these the first two and the last two judge the probabilities, the others the decisions.
METRICS = ("roc_auc", "pr_auc", "precision", "recall", "f1", "accuracy", "brier", "log_loss")
LOWER_IS_BETTER = frozenset({"brier", "log_loss"})
# A search computes these for each candidate, and may choose by any of them.
SCORERS = ("roc_auc", "precision", "recall", "f1", "accuracy")
OF_POSITIVE = {"precision": precision_score, "recall": recall_score, "f1": f1_score}

# The threshold of scikit-learn's `predict` where there are two classes.
DEFAULT_THRESHOLD = 0.5


def scorers(positive: Hashable) -> dict[str, Any]:
    """Make scikit-learn scorers for labels of any kind, by the name of their metric.

    scikit-learn's own scorers also give 0 for a zero division, but warn in each fold.
    """
    made: dict[str, Any] = {name: get_scorer(name) for name in SCORERS}
    for name, function in OF_POSITIVE.items():
        made[name] = make_scorer(function, pos_label=positive, zero_division=0.0)
    return made


def decide(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Decide for the positive class where its probability reaches the threshold.

    At 0.5, decide as scikit-learn's `predict`: a tie goes to the negative class.
    """
    decided: np.ndarray = (
        probability > threshold if threshold == DEFAULT_THRESHOLD else probability >= threshold
    )
    return decided


def scores(truth: np.ndarray, probability: np.ndarray, threshold: float) -> dict[str, float]:
    """Score probabilities of the positive class, and the decisions at `threshold`.

    `truth` is True where a row is positive. As in scikit-learn, a ratio to no
    rows is 0.
    """
    levels = Levels.of(truth, probability)
    decided = decide(levels.values, threshold)
    return {metric: float(levels.score(metric, decided)) for metric in METRICS}
