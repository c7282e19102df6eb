"""The scores of one fold, bit for bit those of scikit-learn's scorers.

Five scorers ask, check and count the same labels five times: on a table of a few hundred rows
that takes longer than three trees. For two classes their decisions' scores are ratios of four
counts, and ROC AUC is summed here as scikit-learn sums it, which checks its input for a
millisecond first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

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
    if not np.isfinite(ranked).all():
        raise ValueError("expected finite scores to rank rows by, found NaN or infinity")
    hits, called, real = int((truth & decided).sum()), int(decided.sum()), int(truth.sum())
    return {
        "roc_auc": area(truth, ranked),
        "precision": hits / called if called else 0.0,
        "recall": hits / real,
        "f1": 2 * hits / (called + real),
        "accuracy": float(np.mean(truth == decided)),
    }


def area(truth: np.ndarray, ranked: np.ndarray) -> float:
    """Compute ROC AUC with the very operations of sklearn.metrics.roc_curve and auc, version 1.9.

    `truth` is True where a row is positive; `ranked` (rows,) are its finite scores.
    """
    order = np.argsort(ranked, kind="stable")[::-1]
    # Rows of one score are one step of the curve.
    ends = np.append(np.flatnonzero(np.diff(ranked[order])), len(ranked) - 1)
    hits = np.cumsum(truth[order], dtype=np.float64)[ends]
    alarms = 1 + ends - hits
    if len(ends) > 2:
        corners = np.logical_or(np.diff(alarms, 2), np.diff(hits, 2))
        turns = np.concatenate([[True], corners, [True]])
        hits, alarms = hits[turns], alarms[turns]
    hits, alarms = np.insert(hits, 0, 0.0), np.insert(alarms, 0, 0.0)
    return float(np.trapezoid(hits / hits[-1], alarms / alarms[-1]))
