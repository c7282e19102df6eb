"""The scores of one fold, bit for bit those of scikit-learn's scorers.

Five scorers ask, check and count the same labels five times: on a table of a few hundred rows
that takes longer than three trees. For two classes their decisions' scores are ratios of four
counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import auc, check_scoring, roc_curve

from steps.model.task import BinaryTask, Task


def fold_scores(task: Task, fitted: Any, features: Any, labels: np.ndarray) -> dict[str, float]:
    """Score a fitted estimator, or answers known, on one fold's unseen rows."""
    if isinstance(task, BinaryTask) and _is_usual(task, fitted, labels):
        return _binary(task.classes[1], fitted, features, labels)
    scorer = check_scoring(fitted, dict(task.scorers))
    return {name: float(value) for name, value in scorer(fitted, features, labels).items()}


def _is_usual(task: BinaryTask, fitted: Any, labels: np.ndarray) -> bool:
    classes: Any = getattr(fitted, "classes_", ())
    if len(classes) != 2 or classes[1] != task.classes[1]:
        return False
    positive = int((labels == classes[1]).sum())
    return 0 < positive < len(labels)


def _binary(positive: Any, fitted: Any, features: Any, labels: np.ndarray) -> dict[str, float]:
    truth, decided = labels == positive, fitted.predict(features) == positive
    # As the scorer of rankings asks: raw scores where there are any.
    if hasattr(fitted, "decision_function"):
        ranked = fitted.decision_function(features)
    else:
        ranked = fitted.predict_proba(features)[:, 1]
    alarms, recalls, _ = roc_curve(truth, ranked)
    hits, called, real = int((truth & decided).sum()), int(decided.sum()), int(truth.sum())
    return {
        "roc_auc": float(auc(alarms, recalls)),
        "precision": hits / called if called else 0.0,
        "recall": hits / real,
        "f1": 2 * hits / (called + real),
        "accuracy": float(np.mean(truth == decided)),
    }
