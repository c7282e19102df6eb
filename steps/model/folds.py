"""Make the folds of a search: the rows to fit each candidate on, and the rows to test it on."""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from steps.base.errors import StepError

# Positions of the rows to fit on, and of those to test on.
Split: TypeAlias = tuple[np.ndarray, np.ndarray]


def of_rows(possible: int, wanted: int, what: str) -> int:
    """Give as many folds as wanted, or as are possible; raise a StepError if that is less than two.

    `what` says what there is too little of.
    """
    if possible < 2:
        raise StepError(f"expected {what} for two folds at least; use more data")
    return min(possible, wanted)


def of_groups(groups: np.ndarray | None, wanted: int) -> int:
    """Give as many folds as wanted, or as there are groups."""
    if groups is None:
        return wanted
    return of_rows(len(np.unique(groups)), wanted, "several groups in the training rows")


def of_classes(folds: int, groups: np.ndarray | None) -> Any:
    """Make scikit-learn's folds for classes: those of GridSearchCV(cv=<number>), or by group."""
    return StratifiedKFold(folds) if groups is None else StratifiedGroupKFold(folds)


def of_numbers(folds: int, seed: int, groups: np.ndarray | None) -> Any:
    """Make scikit-learn's folds for a regression, shuffled unless they go by group.

    GridSearchCV(cv=<number>) would cut the table as it stands, often sorted by its target.
    """
    return KFold(folds, shuffle=True, random_state=seed) if groups is None else GroupKFold(folds)


def splits(folds: Any, labels: np.ndarray, groups: np.ndarray | None) -> list[Split]:
    """List the folds' rows."""
    return list(folds.split(labels, labels, groups))


def class_splits(folds: Any, labels: np.ndarray, groups: np.ndarray | None) -> list[Split]:
    """List the folds' rows; raise a StepError if a class occurs in only one fold.

    That can happen only if folds go by group.
    """
    with warnings.catch_warnings():
        # A class of fewer rows than folds is in the rows to fit on of each fold all the same.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        found = splits(folds, labels, groups)
    for fitted_on, _ in found if groups is not None else ():
        missing = np.setdiff1d(labels, labels[fitted_on])
        if len(missing):
            raise StepError(
                f"expected each class in several groups, found {missing[0]} in those of one fold "
                "only; use fewer folds or a random split"
            )
    return found
