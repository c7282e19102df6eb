"""How much a model's score (ROC AUC, or R²) drops when the values of one feature are shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.inspection import permutation_importance

from steps.model.pipeline import CLF

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.model.task import Task

SHUFFLES, FEWEST_SHUFFLES = 10, 3
# Each is a prediction of all rows: ten for each of hundreds of features would take minutes.
SHUFFLES_IN_ALL = 300
# Of many rows, a sample. ROC AUC does not depend on the share of a class, so as many are taken of
# each: a plain sample of a table with few positives might hold none.
MOST_ROWS, FEWEST_ROWS_OF_A_CLASS = 5_000, 50


@dataclass(frozen=True)
class Importances:
    """Features from the most to the least important; drops are (features, shuffles)."""

    features: tuple[str, ...]
    drops: np.ndarray


def importances(
    task: Task, estimator: Pipeline, features: pd.DataFrame, labels: np.ndarray, seed: int
) -> Importances:
    """Measure permutation importances on held-out rows, a sample of them if they are many.

    Features are the table's own: a category is shuffled as a whole, however it is encoded.
    """
    rows = _sample(labels, seed) if task.classes else _sample(np.zeros(len(labels)), seed)
    features, labels = features.iloc[rows], labels[rows]
    shuffles = SHUFFLES_IN_ALL // len(features.columns)
    model: Any = estimator
    shuffled: Any = features
    # A column that is filled by itself may be shuffled before or after, and filling anew for
    # every shuffle would be most of the work. Each feature makes one column at least.
    filled = estimator[:-1].transform(features)
    if filled.shape[1] == len(features.columns):
        model, shuffled = estimator.named_steps[CLF], filled
    permuted = permutation_importance(
        model,
        shuffled,
        labels,
        scoring=task.scorers[task.main],
        n_repeats=max(FEWEST_SHUFFLES, min(SHUFFLES, shuffles)),
        random_state=seed,
    )
    order = np.argsort(-permuted.importances_mean, kind="stable")
    return Importances(tuple(features.columns[order]), permuted.importances[order])


def _sample(labels: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    most = max(FEWEST_ROWS_OF_A_CLASS, MOST_ROWS // len(classes))
    taken = [
        random.choice(rows, most, replace=False) if len(rows) > most else rows for rows in classes
    ]
    return np.sort(np.concatenate(taken))
