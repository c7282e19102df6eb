"""How much a model's ROC AUC drops when the values of one feature are shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.inspection import permutation_importance

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

SHUFFLES, FEWEST_SHUFFLES = 10, 3
# Each is a prediction of all rows: ten for each of hundreds of features would take minutes.
SHUFFLES_IN_ALL = 300
# ROC AUC does not depend on the share of a class, so of many rows as many are taken of each: a
# plain sample of a table with few positives might hold none.
MOST_ROWS_OF_A_CLASS = 2_500


@dataclass(frozen=True)
class Importances:
    """Features from the most to the least important; drops are (features, shuffles)."""

    features: tuple[str, ...]
    drops: np.ndarray


def importances(
    estimator: Pipeline, features: pd.DataFrame, labels: np.ndarray, seed: int
) -> Importances:
    """Measure permutation importances on held-out rows, a sample of them if they are many."""
    rows = _sample(labels, seed)
    features, labels = features.iloc[rows], labels[rows]
    shuffles = SHUFFLES_IN_ALL // len(features.columns)
    # Each column is filled by itself, so shuffling before or after is the same; filling anew for
    # every shuffle would be most of the work.
    filled = estimator.named_steps["fillna"].transform(features)
    found = permutation_importance(
        estimator.named_steps["clf"],
        filled,
        labels,
        scoring="roc_auc",
        n_repeats=max(FEWEST_SHUFFLES, min(SHUFFLES, shuffles)),
        random_state=seed,
    )
    order = np.argsort(-found.importances_mean, kind="stable")
    return Importances(tuple(features.columns[order]), found.importances[order])


def _sample(labels: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    taken = [
        random.choice(rows, MOST_ROWS_OF_A_CLASS, replace=False)
        if len(rows) > MOST_ROWS_OF_A_CLASS
        else rows
        for rows in classes
    ]
    return np.sort(np.concatenate(taken))
