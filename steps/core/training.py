"""Checks before a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.core.errors import StepError

if TYPE_CHECKING:
    import pandas as pd


def check_folds(labels: pd.Series, folds: int) -> None:
    """Raise a StepError if a class has fewer training rows than there are folds."""
    counts = labels.value_counts()
    if counts.min() < folds:
        raise StepError(
            f"expected at least cv_folds={folds} training rows of each class, found "
            f"{counts.min()} of {counts.idxmin()}; use fewer folds or more data"
        )
