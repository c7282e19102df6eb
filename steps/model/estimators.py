"""Make the estimators of each family that a search can choose from, with their defaults."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge

from steps.base.parsers import AUTO

FOREST, EXTRA_TREES = "random_forest", "extra_trees"
BOOSTING, LINEAR = "hist_gradient_boosting", "linear"
FAMILIES = (FOREST, EXTRA_TREES, BOOSTING, LINEAR)
# The average of all families, the last candidate of `auto`.
AVERAGE = "average"

# The share of the columns that each split of a forest looks at. All of them, scikit-learn's default
# for numbers, would be bagging: three times as slow, and no better.
FOREST_COLUMNS = {"classes": "sqrt", "numbers": 1 / 3}

# Scaled columns need only a few dozen iterations; this is just an upper bound.
MOST_ITERATIONS = 1000


def unfitted_estimator(family: str, *, regression: bool, seed: int) -> Any:
    """Make the last step of a family's pipeline."""
    if family == FOREST:
        forest = RandomForestRegressor if regression else RandomForestClassifier
        return forest(random_state=seed)
    if family == EXTRA_TREES:
        trees = ExtraTreesRegressor if regression else ExtraTreesClassifier
        return trees(random_state=seed)
    if family == BOOSTING:
        boosting = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
        # Its own default stops early beyond 10,000 rows only: a fold and the refit would differ.
        return boosting(random_state=seed, early_stopping=False)
    return Ridge() if regression else LogisticRegression(max_iter=MOST_ITERATIONS)


def parse_estimators(text: str) -> tuple[str, ...]:
    """Read the `estimator` parameter: `auto`, or different families separated by commas."""
    names = tuple(word.strip() for word in text.split(","))
    if names == (AUTO,):
        return names
    if not set(names) <= set(FAMILIES) or len(set(names)) != len(names):
        raise ValueError(f"auto, or different ones of {', '.join(FAMILIES)}, separated by commas")
    return names
