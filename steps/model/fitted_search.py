"""A search as scikit-learn's own object, before and after its fit; and its candidates, ranked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from steps.base.errors import StepError
from steps.model.columns import fit_narrow
from steps.model.fitting import TEST, TIMES, CandidateResult
from steps.model.fold_data import Work
from steps.model.grid import Candidate, SearchSettings
from steps.model.prefixes import FORESTS
from steps.model.sources import Halving, Source

# A GridSearchCV or a RandomizedSearchCV; scikit-learn has no types.
FittedSearch: TypeAlias = Any

# Of fewer rows a tree takes less time than its thread.
ROWS_WORTH_THREADS = 20_000

# Stands for a parameter that only another grid of the search sets: it keeps the pipeline's value.
UNSET = "default"


def unfitted_search(work: Work, settings: SearchSettings) -> FittedSearch:
    """Describe the search as scikit-learn's own object: what autolog would have been given."""
    cv = work.task.cv(work.folds, work.groups)
    common = {"scoring": work.task.scoring, "refit": settings.metric, "cv": cv}
    if settings.search == "grid":
        return GridSearchCV(work.estimator, settings.grid, **common)
    if settings.search == "halving":
        return _halving()(work.estimator, settings.grid, random_state=settings.seed, **common)
    kind = TPESearchCV if settings.search == "tpe" else RandomizedSearchCV
    return kind(
        work.estimator,
        settings.grid,
        n_iter=settings.n_iter,
        random_state=settings.seed,
        **common,
    )


class TPESearchCV(RandomizedSearchCV):  # type: ignore[misc]
    """Describe a search that learns; scikit-learn has none."""


def _halving() -> Any:
    # The class is experimental: scikit-learn asks for this import first.
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    return HalvingGridSearchCV


def cv_results(
    tried: Sequence[Candidate], results: Sequence[CandidateResult], metrics: Sequence[str]
) -> dict[str, Any]:
    """Put results into the form of `cv_results_`; all candidates have equally many folds.

    scikit-learn has no public call for this; types, masks and the order of columns are its own.
    """
    table: dict[str, Any] = {}
    for name in TIMES:
        table |= _mean_and_std(name, _by_fold(results, name))
    for name in dict.fromkeys(name for candidate in tried for name in candidate):
        table[f"param_{name}"] = _values(tried, name)
    table["params"] = list(tried)
    for name in (TEST + metric for metric in metrics):
        by_fold = _by_fold(results, name)
        table |= {f"split{fold}_{name}": scores for fold, scores in enumerate(by_fold.T)}
        table |= _mean_and_std(name, by_fold)
        table[f"rank_{name}"] = _ranks(table[f"mean_{name}"])
    return table


def _by_fold(results: Sequence[CandidateResult], name: str) -> np.ndarray:
    return np.array([result.scores[name] for result in results], dtype=np.float64)


def _mean_and_std(name: str, by_fold: np.ndarray) -> dict[str, np.ndarray]:
    # With scikit-learn's operations: the last bit depends on them.
    mean = np.average(by_fold, axis=1)
    variance = np.average((by_fold - mean[:, np.newaxis]) ** 2, axis=1)
    return {f"mean_{name}": mean, f"std_{name}": np.sqrt(variance)}


def _values(tried: Sequence[Candidate], name: str) -> np.ma.MaskedArray[Any, Any]:
    values = {index: params[name] for index, params in enumerate(tried) if name in params}
    try:
        array = np.array(list(values.values()))
        dtype = array.dtype if array.ndim == 1 and array.dtype.kind != "U" else np.dtype(object)
    except ValueError:  # lists of different lengths
        dtype = np.dtype(object)
    column = np.ma.MaskedArray(np.empty(len(tried), dtype), mask=True)
    for index, value in values.items():
        column[index] = value
    return column


def _ranks(mean: np.ndarray) -> np.ndarray:
    # A candidate that failed is a tie with the worst: "min" gives all of them one rank.
    known = mean[~np.isnan(mean)]
    worst = known.min() - 1 if len(known) else 0.0
    ranks: np.ndarray = rankdata(-np.where(np.isnan(mean), worst, mean), method="min")
    return ranks.astype(np.int32)


def refitted(
    search: FittedSearch,
    work: Work,
    source: Source,
    results: Sequence[CandidateResult],
    metric: str,
    jobs: int = 1,
) -> FittedSearch:
    """Choose the best candidate and fit it on all rows; give a search as after its own `fit`.

    Its `unseen_` are the best one's predictions of each fold's rows, if the search kept them.
    """
    table = cv_results(source.candidates, results, list(work.task.scorers))
    best = int(table[f"rank_test_{metric}"].argmin())
    if isinstance(source, Halving):
        first = source.round_of.index(source.round_of[-1])
        # Only the last round's are compared: scores on fewer rows are of other folds.
        best = first + int(_ranks(table[f"mean_test_{metric}"][first:]).argmin())
        rows = np.array([source.rounds[number].rows for number in source.round_of])
        table = {"iter": np.array(source.round_of), "n_resources": rows, **table}
    score = table[f"mean_test_{metric}"][best]
    if np.isnan(score):
        raise StepError(
            f"expected a mean {metric} of at least one candidate, found none that is a number; "
            "choose another metric or grid"
        )
    search.cv_results_ = table
    search.best_index_ = best
    search.best_score_ = score
    search.best_params_ = table["params"][best]
    search.multimetric_ = True
    search.n_splits_ = work.folds
    search.scorer_ = dict(work.task.scorers)
    search.best_estimator_ = work.unfitted(search.best_params_)
    known = results[best].unseen
    search.unseen_ = None if known is None else tuple(fold.rows() for fold in known)
    started = time.time()
    _fit(search.best_estimator_, work, jobs)
    search.refit_time_ = time.time() - started
    search.feature_names_in_ = work.features.columns.to_numpy(dtype=object)
    return search


def _fit(pipeline: Pipeline, work: Work, jobs: int) -> None:
    """Fit; a large forest in as many threads as there are jobs, and without a wide copy."""
    last = pipeline[-1]
    if type(last) not in FORESTS or len(work.labels) < ROWS_WORTH_THREADS:
        pipeline.fit(work.features, work.labels)
        return
    rows = fit_narrow(pipeline[:-1], work.features, work.labels)
    threads = last.n_jobs
    # The trees are the same with any number of threads.
    last.set_params(n_jobs=jobs if threads is None else threads).fit(rows, work.labels)
    last.set_params(n_jobs=threads)


@dataclass(frozen=True)
class ScoredCandidate:
    """One combination of a search: its parameters and its scores over the folds."""

    params: Mapping[str, object]
    mean: Mapping[str, float]
    std: Mapping[str, float]


@dataclass(frozen=True)
class SearchSummary:
    """The candidates of a search that could be scored, in the order in which they were tried."""

    metric: str
    folds: int
    candidates: tuple[ScoredCandidate, ...]
    best: ScoredCandidate
    failed: int

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """Names of the parameters of which more than one value was tried."""
        names = dict.fromkeys(name for one in self.candidates for name in one.params)
        return tuple(
            name
            for name in names
            if len({repr(one.params.get(name, UNSET)) for one in self.candidates}) > 1
        )


def summarize_search(table: Mapping[str, Any], metric: str, folds: int) -> SearchSummary:
    """Read scikit-learn's `cv_results_`; candidates that failed have no score and are counted."""
    prefix = "mean_test_"
    metrics = [name.removeprefix(prefix) for name in table if name.startswith(prefix)]
    candidates = [
        ScoredCandidate(
            params=params,
            mean={name: float(table[f"mean_test_{name}"][position]) for name in metrics},
            std={name: float(table[f"std_test_{name}"][position]) for name in metrics},
        )
        for position, params in enumerate(table["params"])
    ]
    scored = tuple(one for one in candidates if np.isfinite(one.mean[metric]))
    # Of halving only the last round is on all rows.
    rounds = table.get("iter", [0] * len(candidates))
    last = [one for one, number in zip(candidates, rounds, strict=True) if number == max(rounds)]
    return SearchSummary(
        metric=metric,
        folds=folds,
        candidates=scored,
        best=max((one for one in scored if one in last), key=lambda one: one.mean[metric]),
        failed=len(candidates) - len(scored),
    )
