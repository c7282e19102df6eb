"""Make the folds of a search: the rows to fit each candidate on, and the rows to test it on."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from steps.base.errors import StepError

# Positions of the rows to fit on, and of those to test on.
Split: TypeAlias = tuple[np.ndarray, np.ndarray]


def check_classes(labels: np.ndarray, folds: int) -> None:
    """Raise a StepError if a class has fewer rows than there are folds."""
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < folds:
        raise StepError(
            f"expected at least cv_folds={folds} training rows of each class, found "
            f"{counts.min()} of {classes[counts.argmin()]}; use fewer folds or more data"
        )


def check_rows(labels: np.ndarray, folds: int) -> None:
    """Raise a StepError if a fold would have fewer than two rows: a single row has no R²."""
    if len(labels) < 2 * folds:
        raise StepError(
            f"expected at least two training rows for each of cv_folds={folds}, found "
            f"{len(labels)} in all; use fewer folds or more data"
        )


def check_groups(groups: np.ndarray | None, folds: int) -> None:
    """Raise a StepError if there are groups, but fewer than folds."""
    count = folds if groups is None else len(np.unique(groups))
    if count < folds:
        raise StepError(
            f"expected at least cv_folds={folds} groups in the training rows, found {count}; use "
            "fewer folds"
        )


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
    found = splits(folds, labels, groups)
    for fitted_on, _ in found if groups is not None else ():
        missing = np.setdiff1d(labels, labels[fitted_on])
        if len(missing):
            raise StepError(
                f"expected each class in several groups, found {missing[0]} in those of one fold "
                "only; use fewer folds or a random split"
            )
    return found
