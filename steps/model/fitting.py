"""Candidates: fitted and scored on every fold. This is all that a worker has to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.pipeline import Pipeline

from steps.model.candidates import unfitted_pipelines
from steps.model.fold_data import Fold, Folds, Work
from steps.model.fold_scores import fold_scores
from steps.model.grid import Candidate, SearchSettings, common_prefix
from steps.model.growth import Answers, grow
from steps.model.levels import Coded
from steps.model.pipeline import CLF
from steps.model.prefixes import Group, groups
from steps.model.task import task_of

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Schema

TIMES = ("fit_time", "score_time")
TEST = "test_"


@dataclass(frozen=True)
class Batch:
    """Candidates, by position, that are fitted in one task.

    `rows` are those of the table to take part; None is all. `floors`, if there are any, end a
    candidate whose mean `metric` over its first folds (1, 2, …) lies under them.
    """

    candidates: Mapping[int, Candidate]
    rows: int | None = None
    metric: str = ""
    floors: tuple[float, ...] = ()


@dataclass(frozen=True)
class CandidateResult:
    """Result of one candidate.

    `scores` holds one number per fold for each of `fit_time` and `score_time` (seconds) and
    `test_<metric>`; a fold that was not fitted, or could not be, has NaN. `error` is the first
    such fold's. `unseen` are the predictions of each fold's rows to test on, if they are at hand.
    """

    scores: Mapping[str, tuple[float, ...]]
    error: str | None = None
    pruned: bool = False
    unseen: tuple[Coded, ...] | None = field(default=None, compare=False, repr=False)


def without_predictions(result: CandidateResult) -> CandidateResult:
    """Give a result without what is as long as the table."""
    return replace(result, unseen=None)


# Is told a candidate's result as soon as it is known, in whatever thread.
Report: TypeAlias = Callable[[int, CandidateResult], None]


@dataclass(frozen=True)
class FoldResult:
    """Times and scores of one candidate on one fold."""

    row: Mapping[str, float]
    error: str | None = None
    unseen: Coded | None = None


# Fits a group on one fold, up to its next size or to several more.
Step: TypeAlias = Callable[[], list[FoldResult]]
Runner: TypeAlias = Callable[[Sequence[Step]], Sequence[list[FoldResult]]]


def plan_work(
    settings: SearchSettings,
    schema: Schema,
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
) -> Work:
    """Plan a search of the pipelines' parameters on the training rows.

    Rows of one of the `groups` (rows,) are in one fold. If a class, say, has
    too few rows for the folds, the work has fewer. Raises StepError for too few rows.
    """
    families = unfitted_pipelines(settings.families, schema, settings.seed)
    task = task_of(schema, settings.seed)
    folds = task.fold_count(labels, settings.folds, groups)
    prefix = common_prefix(settings.grid, CLF)
    return Work(families, features, labels, folds, task, prefix, groups, settings.seed)


def divide(work: Work, candidates: Mapping[int, Candidate], rows: int | None = None) -> list[Group]:
    """Divide candidates into groups that share a fit on each fold."""
    table = rows or len(work.labels)
    return groups(work.unfitted, candidates, table - table // work.folds)


def in_turn(steps: Sequence[Step]) -> list[list[FoldResult]]:
    """Run steps one after the other."""
    return [step() for step in steps]


def fit_batch(
    folds: Folds, batch: Batch, report: Report, run: Runner = in_turn
) -> dict[int, CandidateResult]:
    """Fit and score the candidates of one task; `run` runs the same step of all folds."""
    results: dict[int, CandidateResult] = {}
    for group in divide(folds.work, batch.candidates, batch.rows):
        fits = [_FoldFit(folds, group, number, batch.rows) for number in range(folds.work.folds)]
        for members, fold_results in zip(group.members, _by_size(fits, batch, run), strict=True):
            result = _result(fold_results, folds.work)
            if batch.rows is not None:
                # They are of a sample of the rows.
                result = without_predictions(result)
            for position in members:
                results[position] = result
                report(position, result)
    return results


def _by_size(fits: Sequence[_FoldFit], batch: Batch, run: Runner) -> Iterator[Sequence[FoldResult]]:
    """Yield the results of all folds, size by size."""
    if batch.floors:
        yield _until_hopeless(fits, batch, run)
        return
    # Folds that are not kept are in memory one after the other, so each grows to the end.
    sizes = fits[0].sizes
    if sizes > 1 and fits[0].are_kept:
        sizes = 1
    for _ in range(0, fits[0].sizes, sizes):
        yield from zip(*run([partial(fit.steps, sizes) for fit in fits]), strict=True)


def _until_hopeless(fits: Sequence[_FoldFit], batch: Batch, run: Runner) -> list[FoldResult]:
    fold_results: list[FoldResult] = []
    for fit, floor in zip(fits, (*batch.floors, -np.inf), strict=True):
        fold_results += run([partial(fit.steps, 1)])[0]
        mean = np.mean([one.row[TEST + batch.metric] for one in fold_results])
        if mean < floor:
            break
    return fold_results


def _result(fold_results: Sequence[FoldResult], work: Work) -> CandidateResult:
    missing = work.folds - len(fold_results)
    scores = {
        name: (*(one.row[name] for one in fold_results), *[float("nan")] * missing)
        for name in fold_results[0].row
    }
    unseen = tuple(one.unseen for one in fold_results if one.unseen is not None)
    return CandidateResult(
        scores,
        next((one.error for one in fold_results if one.error), None),
        missing > 0,
        unseen if len(unseen) == work.folds else None,
    )


class _FoldFit:
    """One group on one fold, from size to size; an error of the estimator is a result too."""

    def __init__(self, folds: Folds, group: Group, number: int, rows: int | None) -> None:
        self._folds, self._group, self._number, self._rows = folds, group, number, rows
        self._results: Iterator[FoldResult] | None = None
        self._error: str | None = None
        self.sizes, self._left = len(group.members), len(group.members)

    def steps(self, count: int) -> list[FoldResult]:
        """Fit up to the next size, score it, and so on, `count` times."""
        fold_results = [self._step() for _ in range(count)]
        self._left -= count
        if not self._left:
            # The rows go with it.
            self._results = None
        return fold_results

    def _step(self) -> FoldResult:
        started = time.perf_counter()
        if self._results is None:
            self._results = self._fit()
        try:
            if self._error is None:
                return next(self._results)
        except Exception as raised:  # noqa: BLE001 - an estimator may raise anything
            self._error = f"{type(raised).__name__}: {raised}"
        failed = {TEST + metric: float("nan") for metric in self._folds.work.task.scorers}
        seconds = time.perf_counter() - started
        return FoldResult({"fit_time": seconds, "score_time": 0.0, **failed}, self._error)

    @property
    def are_kept(self) -> bool:
        """Whether the fold's rows stay in memory anyway."""
        return self._folds.are_kept(self._folds.work.unfitted(self._group.parameters))

    def _fit(self) -> Iterator[FoldResult]:
        own = self._group.parameters
        pipeline = self._folds.work.unfitted(own)
        fold = self._folds.get(self._number, own, pipeline, self._rows)
        if self._group.sizes:
            yield from self._grow(pipeline, fold)
            return
        started = time.perf_counter()
        fitted = pipeline[-1].fit(fold.seen, fold.seen_labels)
        yield self._scored(fitted, fold, time.perf_counter() - started, 0.0)

    def _grow(self, pipeline: Pipeline, fold: Fold) -> Iterator[FoldResult]:
        sizes = self._group.sizes
        for reached in grow(pipeline[-1], sizes, fold.seen, fold.seen_labels, fold.unseen):
            yield self._scored(reached.answers, fold, reached.fit_seconds, reached.score_seconds)

    def _scored(self, fitted: Any, fold: Fold, fit: float, predict: float) -> FoldResult:
        task, started = self._folds.work.task, time.perf_counter()
        scores = fold_scores(task, fitted, fold.unseen, fold.unseen_labels)
        row = {
            "fit_time": fold.seconds[0] + fit,
            "score_time": fold.seconds[1] + predict + time.perf_counter() - started,
            **{TEST + name: value for name, value in scores.items()},
        }
        # Answers are at hand; an estimator would have to predict again.
        at_hand = task.evaluates_out_of_fold and isinstance(fitted, Answers)
        known = Coded.of(task.predict(fitted, fold.unseen)) if at_hand else None
        return FoldResult(row, unseen=known)
