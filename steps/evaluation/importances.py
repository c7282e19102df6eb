"""How much a model's ROC AUC drops when the values of one feature are shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.inspection import permutation_importance

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

SHUFFLES = 10
# Ten times each feature over a million rows would take minutes and say the same.
MOST_ROWS = 5_000


@dataclass(frozen=True)
class Importances:
    """Features from the most to the least important; drops are (features, shuffles)."""

    features: tuple[str, ...]
    drops: np.ndarray


def importances(
    estimator: Pipeline, features: pd.DataFrame, labels: np.ndarray, seed: int
) -> Importances:
    """Measure permutation importances on held-out rows, a sample of them if they are many."""
    # Each column is filled by itself, so shuffling before or after is the same; filling anew for
    # every shuffle would be most of the work.
    filled = estimator.named_steps["fillna"].transform(features)
    found = permutation_importance(
        estimator.named_steps["clf"],
        filled,
        labels,
        scoring="roc_auc",
        n_repeats=SHUFFLES,
        random_state=seed,
        max_samples=min(MOST_ROWS, len(features)),
    )
    order = np.argsort(-found.importances_mean, kind="stable")
    return Importances(tuple(features.columns[order]), found.importances[order])
