"""The probability from which a row is decided positive.

A threshold is chosen on cross-validated predictions of the training rows. Chosen on the held-out
rows it would make their scores look better than those of new data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from steps.base.console import progress
from steps.model.levels import Levels
from steps.model.metrics import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.model.folds import Split
    from steps.model.task import Task

Rule = float | str
CHOSEN_BY = ("f1", "youden")


def parse_threshold(value: str) -> Rule:
    """Read a number between 0 and 1, or the name of the score that chooses it."""
    if value in CHOSEN_BY:
        return value
    expected = ValueError(f"a number between 0 and 1, or {' or '.join(CHOSEN_BY)}")
    try:
        number = float(value)
    except ValueError:
        raise expected from None
    if not 0 < number < 1:
        raise expected
    return number


def out_of_fold(
    task: Task,
    estimator: Pipeline,
    features: pd.DataFrame,
    labels: np.ndarray,
    splits: Sequence[Split],
) -> np.ndarray:
    """Predict each training row by a model that was fitted without it.

    As scikit-learn's `cross_val_predict`, but it shows how far it is.
    """
    predicted = np.empty(len(labels))
    with progress(len(splits), "folds", "evaluate") as bar:
        for fitted_on, left_out in splits:
            model = clone(estimator).fit(features.iloc[fitted_on], labels[fitted_on])
            predicted[left_out] = task.predict(model, features.iloc[left_out])
            bar.update()
    return predicted


def joined(unseen: Sequence[np.ndarray], splits: Sequence[Split]) -> np.ndarray:
    """Put predictions of each fold's rows, which the search has made, in the order of the table."""
    rows = np.concatenate([left_out for _, left_out in splits])
    predicted = np.concatenate(unseen)
    ordered = np.empty_like(predicted)
    ordered[rows] = predicted
    return ordered


@dataclass(frozen=True)
class Curves:
    """Scores of the decisions at each threshold; all arrays have one length."""

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    youden: np.ndarray


def curves(truth: np.ndarray, probability: np.ndarray) -> Curves:
    """Score the decisions at each threshold that makes a difference.

    These lie halfway between neighbouring probabilities, so that a row's decision never hangs on
    the last bit of its probability.
    """
    rows = Levels.of(truth, probability)
    values = np.union1d(rows.values, [0.0, 1.0])
    thresholds = (values[1:] + values[:-1]) / 2
    # The first level above each threshold; 1 may lie above all rows.
    first = np.searchsorted(rows.values, thresholds)
    hits, alarms = (np.append(counts, 0)[first] for counts in (rows.hits, rows.alarms))
    above = hits + alarms
    recall = hits / rows.positives
    return Curves(
        thresholds=thresholds,
        precision=hits / np.maximum(above, 1),
        recall=recall,
        f1=2 * hits / (above + rows.positives),
        youden=recall - alarms / rows.negatives,
    )


def choose_threshold(by: Rule, scored: Curves) -> float:
    """Take the given threshold, or the one with the highest score of that name.

    Of equal scores the one nearest to 0.5 is taken.
    """
    if not isinstance(by, str):
        return by
    score: np.ndarray = getattr(scored, by)
    best = np.flatnonzero(np.isclose(score, score.max(), rtol=0, atol=1e-12))
    nearest = best[np.argmin(np.abs(scored.thresholds[best] - DEFAULT_THRESHOLD))]
    return float(scored.thresholds[nearest])
