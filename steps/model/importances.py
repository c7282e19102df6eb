"""How much a model's score (ROC AUC, or R²) drops when the values of one feature are shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from steps.model.growth import as_forest_reads
from steps.model.pipeline import CLF
from steps.model.prefixes import FORESTS

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from steps.model.task import Task

SHUFFLES, FEWEST_SHUFFLES = 10, 3
# Each is a prediction of all rows: ten for each of hundreds of features would take minutes.
SHUFFLES_IN_ALL = 300
# Of a large table, a sample of the held-out rows. ROC AUC does not depend on the share of a class,
# so as many are taken of each: a plain sample of a table with few positives might hold none.
MOST_ROWS, FEWEST_ROWS_OF_A_CLASS = 5_000, 50
# Values of the rows that are predicted in one call: a call takes longer than a few rows do.
VALUES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Importances:
    """Features from the most to the least important; drops are (features, shuffles)."""

    features: tuple[str, ...]
    drops: np.ndarray


def importances(
    task: Task,
    estimator: Pipeline,
    features: pd.DataFrame,
    labels: np.ndarray,
    seed: int,
    *,
    exact: bool,
) -> Importances:
    """Measure permutation importances on held-out rows: on all, or on a sample of many.

    Features are the table's own: a category is shuffled as a whole, however it is encoded. The
    shuffles are those of scikit-learn's `permutation_importance`.
    """
    if not exact:
        rows = _sample(labels if task.classes else np.zeros(len(labels)), seed)
        features, labels = features.iloc[rows], labels[rows]
    wanted = SHUFFLES_IN_ALL // len(features.columns)
    orders = _orders(len(labels), max(FEWEST_SHUFFLES, min(SHUFFLES, wanted)), seed)
    model, table = _ready(estimator, features)
    truth = task.truth(labels)
    score = task.main_score(truth, task.predict(model, table))
    scores = np.empty((len(features.columns), len(orders)))
    at_once = max(1, VALUES_AT_ONCE // features.size)
    for start in range(0, len(orders), at_once):
        part = orders[start : start + at_once]
        for place, shuffled in enumerate(_shuffled(table, part)):
            predicted = np.split(task.predict(model, shuffled), len(part))
            scores[place, start : start + at_once] = [task.main_score(truth, p) for p in predicted]
    drops = score - scores
    order = np.argsort(-drops.mean(axis=1), kind="stable")
    return Importances(tuple(features.columns[order]), drops[order])


def _ready(estimator: Pipeline, features: pd.DataFrame) -> tuple[Any, Any]:
    """Give what predicts, and the table that it takes: one column for each feature.

    A column that is filled by itself may be shuffled before or after, and filling anew for every
    shuffle would be most of the work. Each feature makes one column at least.
    """
    filled, last = estimator[:-1].transform(features), estimator.named_steps[CLF]
    if filled.shape[1] != len(features.columns) or issparse(filled):
        return estimator, features
    return last, as_forest_reads(filled) if type(last) in FORESTS else filled


def _orders(rows: int, shuffles: int, seed: int) -> np.ndarray:
    """List the rows whose values each shuffle puts in their places: (shuffles, rows)."""
    random = np.random.RandomState(seed)
    random = np.random.RandomState(random.randint(np.iinfo(np.int32).max + 1))
    order, places, orders = np.arange(rows), np.arange(rows), []
    for _ in range(shuffles):
        # Values that are shuffled already are shuffled again.
        random.shuffle(places)
        order = order[places]
        orders.append(order)
    return np.array(orders)


def _shuffled(table: Any, orders: np.ndarray) -> Iterator[Any]:
    """Yield, for each column, the table as often as there are orders, with this column shuffled.

    The table is the same one each time.
    """
    places = orders.ravel()
    again = np.tile(np.arange(orders.shape[1]), len(orders))
    if isinstance(table, pd.DataFrame):
        repeated = table.iloc[again].reset_index(drop=True)
        for name in table.columns:
            yield repeated.assign(**{name: table[name].to_numpy()[places]})
        return
    repeated = table[again]
    for column in range(table.shape[1]):
        repeated[:, column] = table[places, column]
        yield repeated
        repeated[:, column] = table[again, column]


def _sample(labels: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    most = max(FEWEST_ROWS_OF_A_CLASS, MOST_ROWS // len(classes))
    taken = [
        random.choice(rows, most, replace=False) if len(rows) > most else rows for rows in classes
    ]
    return np.sort(np.concatenate(taken))
