"""One candidate: fitted and scored on every fold. This is all that a worker has to know."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_validate

from steps.base.errors import StepError

TIMES = ("fit_time", "score_time")
TEST = "test_"

# Kept in memory for each fold, in each process; with more data than this, filling in missing
# values is a small part of a fit anyway.
MOST_BYTES_KEPT = 500_000_000


@dataclass(frozen=True)
class Fold:
    """Rows of one fold: those to train on first, then those to test on.

    `seconds` is what it took to make them (to fit the shared steps, and to apply them).
    """

    features: Any
    labels: np.ndarray
    train_rows: int
    seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Work:
    """What all candidates of a search share; `scorers` by the names of their metrics.

    `prefix` is that of the last step's parameters (`clf__`) if the candidates differ in no
    other, else empty. `kept` are the folds after the steps before the last one.
    """

    estimator: Any
    features: Any
    labels: np.ndarray
    folds: int
    scorers: Mapping[str, Any]
    prefix: str = ""
    kept: tuple[Fold, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Result of one candidate.

    `scores` holds one number per fold for each of `fit_time` and `score_time` (seconds) and
    `test_<metric>`; a fold that could not be fitted has NaN. `error` is the first such fold's.
    """

    scores: Mapping[str, tuple[float, ...]]
    error: str | None = None


def check_folds(work: Work) -> None:
    """Raise a StepError if a class has fewer rows than there are folds."""
    labels, counts = np.unique(work.labels, return_counts=True)
    if counts.min() < work.folds:
        raise StepError(
            f"expected at least cv_folds={work.folds} training rows of each class, found "
            f"{counts.min()} of {labels[counts.argmin()]}; use fewer folds or more data"
        )


def prepare(work: Work) -> Work:
    """Do once what every candidate would do again: the steps that are the same for all.

    scikit-learn fits the whole pipeline for each candidate and fold. Where only the last step
    differs, the steps before it come out the same each time: the results are equal, bit for
    bit, and the search of a small forest takes half the time.
    """
    too_much = work.folds * work.features.size * 8 > MOST_BYTES_KEPT
    if not work.prefix or too_much:
        return work
    return replace(work, kept=tuple(_keep(work, *fold) for fold in _splits(work)))


def fit_candidate(work: Work, parameters: Mapping[str, Any]) -> Outcome:
    """Fit and score one candidate on every fold; an error of the estimator is a result too."""
    rows: list[dict[str, float]] = []
    error = None
    for fold in work.kept or _whole(work):
        started = time.perf_counter()
        try:
            rows.append(_validate(work, parameters, fold))
        except Exception as raised:  # noqa: BLE001 - an estimator may raise anything
            error = error or f"{type(raised).__name__}: {raised}"
            failed = {TEST + metric: float("nan") for metric in work.scorers}
            seconds = time.perf_counter() - started
            rows.append({"fit_time": seconds, "score_time": 0.0, **failed})
    return Outcome({name: tuple(row[name] for row in rows) for name in rows[0]}, error)


def _splits(work: Work) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    # The folds that GridSearchCV(cv=<number>) makes for a classifier.
    yield from StratifiedKFold(work.folds).split(work.features, work.labels)


def _keep(work: Work, train: np.ndarray, test: np.ndarray) -> Fold:
    shared = clone(work.estimator)[:-1]
    times = [time.perf_counter()]
    seen = shared.fit_transform(work.features.iloc[train], work.labels[train])
    times.append(time.perf_counter())
    unseen = shared.transform(work.features.iloc[test])
    times.append(time.perf_counter())
    return Fold(
        features=np.vstack([seen, unseen]),
        labels=np.concatenate([work.labels[train], work.labels[test]]),
        train_rows=len(train),
        seconds=(times[1] - times[0], times[2] - times[1]),
    )


def _whole(work: Work) -> Iterator[Fold]:
    for train, test in _splits(work):
        rows = np.concatenate([train, test])
        yield Fold(work.features.iloc[rows], work.labels[rows], len(train))


def _validate(work: Work, parameters: Mapping[str, Any], fold: Fold) -> dict[str, float]:
    estimator, prefix = work.estimator, ""
    if work.kept:
        estimator, prefix = work.estimator[-1], work.prefix
    own = {name.removeprefix(prefix): value for name, value in parameters.items()}
    rows = np.arange(len(fold.labels))
    found = cross_validate(
        # A value may be an estimator: each fit gets its own, as in GridSearchCV.
        clone(estimator).set_params(**clone(own, safe=False)),
        fold.features,
        fold.labels,
        cv=[(rows[: fold.train_rows], rows[fold.train_rows :])],
        scoring=dict(work.scorers),
        error_score="raise",
    )
    row = {name: float(values[0]) for name, values in found.items()}
    for name, seconds in zip(TIMES, fold.seconds, strict=True):
        row[name] += seconds
    return row
