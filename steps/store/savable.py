"""Check before a search, not after it, that any model it may choose can be saved."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from steps.base.errors import StepError
from steps.model.grid import listed
from steps.model.pipeline import CLF
from steps.store import models

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from steps.model.fold_data import Work
    from steps.model.grid import Candidate, SearchSettings

# Rows and trees (or iterations) that show which types a fitted pipeline is made of.
TRIAL_ROWS, TRIAL_SIZE = 200, 2
SIZES = (f"{CLF}__n_estimators", f"{CLF}__max_iter")


def check(settings: SearchSettings, work: Work) -> None:
    """Raise StepError for a value of the grid that makes a model impossible to save.

    Fit each value that is not a number on a few rows: only such a value can add a type. Errors of
    these fits are ignored: the search itself will report them.
    """
    for candidate in _trials(settings):
        try:
            pipeline = work.unfitted(candidate)
        except (ValueError, TypeError, AttributeError):
            continue
        strangers = untrusted_types(pipeline, work.features, work.labels)
        if strangers:
            shown = ", ".join(f"{name}={value!r:.60}" for name, value in candidate.items())
            raise StepError(
                f"parameter grid: expected values with which a model can be saved without pickle, "
                f"found {shown}, whose model holds {', '.join(strangers)}; take it out of the grid"
            )


def _trials(settings: SearchSettings) -> Iterator[Candidate]:
    """Yield one or two candidates for each value that is not a number.

    The other parameters take their first values, then their last: boosting, for example, keeps
    `scoring` in the model only with `early_stopping`.
    """
    grids = settings.grid if isinstance(settings.grid, list) else [settings.grid]
    for grid in grids:
        # The ends of a range are numbers.
        lists = {name: listed(values) for name, values in grid.items()}
        ends = [{name: values[end] for name, values in lists.items()} for end in (0, -1)]
        for name, values in lists.items():
            for value in values:
                if name == CLF or isinstance(value, int | float | None):
                    continue
                first, last = ({**others, name: value} for others in ends)
                yield first
                if last != first:
                    yield last


def untrusted_types(pipeline: Pipeline, frame: pd.DataFrame, labels: np.ndarray) -> list[str]:
    """Fit on a few rows and name the types that would make saving fail."""
    trial = clone(pipeline)
    known = trial.get_params()
    trial.set_params(**{name: TRIAL_SIZE for name in SIZES if name in known})
    rows = np.sort(_few_rows(labels))
    try:
        with warnings.catch_warnings():
            # Two iterations are too few on purpose.
            warnings.simplefilter("ignore", ConvergenceWarning)
            trial.fit(frame.iloc[rows], labels[rows])
    except (ValueError, TypeError, AttributeError):
        return []
    return models.untrusted_types(trial)


def _few_rows(labels: np.ndarray) -> np.ndarray:
    # Take rows of each class, so that the fit sees all classes.
    order: Any = pd.Series(labels).groupby(labels, sort=False).cumcount().to_numpy()
    return np.argsort(order, kind="stable")[:TRIAL_ROWS]
