"""Whether what a search may choose can be saved: asked before the search, not after it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from steps.base.errors import StepError
from steps.model.pipeline import CLF
from steps.store import models

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from steps.model.fitting import Work
    from steps.model.grid import Candidate, SearchSettings

# Rows and trees (or iterations) that show which types a fitted pipeline is made of.
TRIAL_ROWS, TRIAL_SIZE = 200, 2
SIZES = (f"{CLF}__n_estimators", f"{CLF}__max_iter")


def check(settings: SearchSettings, work: Work) -> None:
    """Raise StepError for a value of the grid with which a model could not be saved.

    Each value that is no number is tried on a few rows: only such a value can bring a type of its
    own. What a fit on so few rows raises is not judged: the search tells.
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
    """Yield a candidate or two for each value that is no number.

    Others have their first values, and then their last: `scoring` of a boosting is kept in the
    model only with `early_stopping`.
    """
    grids = settings.grid if isinstance(settings.grid, list) else [settings.grid]
    for grid in grids:
        ends = [{name: values[end] for name, values in grid.items()} for end in (0, -1)]
        for name, values in grid.items():
            for value in values:
                if name == CLF or isinstance(value, int | float | None):
                    continue
                first, last = ({**others, name: value} for others in ends)
                yield first
                if last != first:
                    yield last


def untrusted_types(pipeline: Pipeline, frame: pd.DataFrame, labels: np.ndarray) -> list[str]:
    """Name the types that would make saving fail, found by a fit on a few rows."""
    trial = clone(pipeline)
    known = trial.get_params()
    trial.set_params(**{name: TRIAL_SIZE for name in SIZES if name in known})
    rows = np.sort(_few_rows(labels))
    try:
        with warnings.catch_warnings():
            # Two iterations are too few by intention.
            warnings.simplefilter("ignore", ConvergenceWarning)
            trial.fit(frame.iloc[rows], labels[rows])
    except (ValueError, TypeError, AttributeError):
        return []
    return models.untrusted_types(trial)


def _few_rows(labels: np.ndarray) -> np.ndarray:
    # Some rows of each class, so that the fit meets as many classes as there are.
    order: Any = pd.Series(labels).groupby(labels, sort=False).cumcount().to_numpy()
    return np.argsort(order, kind="stable")[:TRIAL_ROWS]
