"""From the candidates' outcomes to what a fitted `GridSearchCV` holds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from steps.base.errors import StepError
from steps.model.fitting import TEST, TIMES, Outcome, Work
from steps.model.grid import Candidate, Grid, candidates

# A GridSearchCV or a RandomizedSearchCV; scikit-learn has no types.
Search: TypeAlias = Any


@dataclass(frozen=True)
class Settings:
    """How to search: `search` is grid or random; the rest is named as in scikit-learn or train."""

    grid: Grid
    search: str
    n_iter: int
    seed: int
    metric: str
    folds: int
    scoring: list[str] | dict[str, Any]

    def candidates(self) -> list[Candidate]:
        """List the candidates, in scikit-learn's order."""
        return candidates(self.grid, self.search, self.n_iter, self.seed)


def unfitted_search(estimator: Any, settings: Settings) -> Search:
    """Describe the search as scikit-learn's own object: what autolog would have been given."""
    common = {"scoring": settings.scoring, "refit": settings.metric, "cv": settings.folds}
    if settings.search == "grid":
        return GridSearchCV(estimator, settings.grid, **common)
    return RandomizedSearchCV(
        estimator, settings.grid, n_iter=settings.n_iter, random_state=settings.seed, **common
    )


def cv_results(
    tried: Sequence[Candidate], outcomes: Sequence[Outcome], metrics: Sequence[str]
) -> dict[str, Any]:
    """Put outcomes into the form of `cv_results_`; all candidates have equally many folds."""
    folds = len(outcomes[0].scores["fit_time"])
    rows = [
        {
            **{name: outcome.scores[name][fold] for name in TIMES},
            "test_scores": {name: outcome.scores[TEST + name][fold] for name in metrics},
        }
        for outcome in outcomes
        for fold in range(folds)
    ]
    with warnings.catch_warnings():
        # Failed candidates have been reported one by one, with their errors.
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        # scikit-learn's own formatting: nothing else gives the same table in every detail.
        form = GridSearchCV(None, {})._format_results
        results: dict[str, Any] = form(list(tried), folds, rows)
    return results


def refitted(
    search: Search, work: Work, tried: Sequence[Candidate], outcomes: Sequence[Outcome]
) -> Search:
    """Choose the best candidate and fit it on all rows; give a search as after its own `fit`."""
    results = cv_results(tried, outcomes, list(search.scoring))
    metric = search.refit
    best = int(results[f"rank_test_{metric}"].argmin())
    score = results[f"mean_test_{metric}"][best]
    if np.isnan(score):
        raise StepError(
            f"expected a mean {metric} of at least one candidate, found none that is a number; "
            "choose another metric or grid"
        )
    search.cv_results_ = results
    search.best_index_ = best
    search.best_score_ = score
    search.best_params_ = results["params"][best]
    search.multimetric_ = True
    search.n_splits_ = work.folds
    search.scorer_ = dict(work.scorers)
    search.best_estimator_ = clone(work.estimator).set_params(
        **clone(search.best_params_, safe=False)
    )
    started = time.time()
    search.best_estimator_.fit(work.features, work.labels)
    search.refit_time_ = time.time() - started
    search.feature_names_in_ = search.best_estimator_.feature_names_in_
    return search
