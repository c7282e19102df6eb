"""One candidate: fitted and scored on every fold. This is all that a worker has to know."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.base import clone
from sklearn.model_selection import cross_validate

from steps.model.candidates import candidate_pipeline, family_of, unfitted_pipelines
from steps.model.folds import Split
from steps.model.grid import Candidate, SearchSettings, common_prefix
from steps.model.pipeline import CLF
from steps.model.task import Task, task_of

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.data.schema import Schema

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
    """What all candidates of a search share.

    `families` are the unfitted pipelines by the name of their estimator; `estimator` is the first.
    `prefix` is that of the last step's parameters (`clf__`) if the candidates differ in no
    other, else empty. `transformed` are the folds after the steps before the last one.
    """

    families: Mapping[str, Pipeline]
    features: pd.DataFrame
    labels: np.ndarray
    folds: int
    task: Task
    prefix: str = ""
    transformed: Mapping[str, tuple[Fold, ...]] = field(default_factory=dict)
    groups: np.ndarray | None = None

    @property
    def estimator(self) -> Pipeline:
        """The pipeline that stands for all in the description of the search."""
        return next(iter(self.families.values()))

    def unfitted(self, candidate: Candidate) -> Pipeline:
        """Give a candidate's own unfitted pipeline."""
        return candidate_pipeline(candidate, self.families, self.task.classes)

    def splits(self) -> list[Split]:
        """List the rows of the folds."""
        return self.task.splits(self.labels, self.folds, self.groups)


@dataclass(frozen=True)
class CandidateResult:
    """Result of one candidate.

    `scores` holds one number per fold for each of `fit_time` and `score_time` (seconds) and
    `test_<metric>`; a fold that could not be fitted has NaN. `error` is the first such fold's.
    """

    scores: Mapping[str, tuple[float, ...]]
    error: str | None = None


def plan_work(
    settings: SearchSettings,
    schema: Schema,
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
) -> Work:
    """Plan a search of the pipelines' parameters on the training rows.

    Rows of one of the `groups` (rows,) are in one fold. Raises StepError for too few rows.
    """
    families = unfitted_pipelines(settings.families, schema, settings.seed)
    task = task_of(schema, settings.seed)
    task.check_folds(labels, settings.folds, groups)
    prefix = common_prefix(settings.grid, CLF)
    return Work(families, features, labels, settings.folds, task, prefix, groups=groups)


def fit_shared_steps(work: Work) -> Work:
    """Do once what every candidate would do again: the steps that are the same for all.

    scikit-learn fits the whole pipeline for each candidate and fold. Where only the last step
    differs, the steps before it come out the same each time: the results are equal, bit for
    bit, and the search of a small forest takes half the time.
    """
    # What is passed on as it is needs no keeping.
    kept = {name: one for name, one in work.families.items() if one[0] != "passthrough"}
    too_much = len(kept) * work.folds * work.features.size * 8 > MOST_BYTES_KEPT
    if not work.prefix or too_much:
        return work
    splits = work.splits()
    return replace(
        work,
        transformed={
            name: tuple(_transform(work, pipeline, split) for split in splits)
            for name, pipeline in kept.items()
        },
    )


def fit_candidates(work: Work, candidates: Sequence[Candidate]) -> list[CandidateResult]:
    """Fit and score the candidates of one task."""
    return [_fit_candidate(work, candidate) for candidate in candidates]


def _fit_candidate(work: Work, candidate: Candidate) -> CandidateResult:
    """Fit and score one candidate on every fold; an error of the estimator is a result too."""
    rows: list[dict[str, float]] = []
    error = None
    transformed = work.transformed.get(family_of(candidate, work.families), ())
    for fold in transformed or _untransformed(work):
        started = time.perf_counter()
        try:
            rows.append(_validate(work, candidate, fold))
        except Exception as raised:  # noqa: BLE001 - an estimator may raise anything
            error = error or f"{type(raised).__name__}: {raised}"
            failed = {TEST + metric: float("nan") for metric in work.task.scorers}
            seconds = time.perf_counter() - started
            rows.append({"fit_time": seconds, "score_time": 0.0, **failed})
    return CandidateResult({name: tuple(row[name] for row in rows) for name in rows[0]}, error)


def _transform(work: Work, pipeline: Pipeline, split: Split) -> Fold:
    train, test = split
    shared = clone(pipeline)[:-1]
    times = [time.perf_counter()]
    seen = shared.fit_transform(work.features.iloc[train], work.labels[train])
    times.append(time.perf_counter())
    unseen = shared.transform(work.features.iloc[test])
    times.append(time.perf_counter())
    return Fold(
        features=vstack([seen, unseen], "csr") if issparse(seen) else np.vstack([seen, unseen]),
        labels=np.concatenate([work.labels[train], work.labels[test]]),
        train_rows=len(train),
        seconds=(times[1] - times[0], times[2] - times[1]),
    )


def _untransformed(work: Work) -> Iterator[Fold]:
    for train, test in work.splits():
        rows = np.concatenate([train, test])
        yield Fold(work.features.iloc[rows], work.labels[rows], len(train))


def _validate(work: Work, candidate: Candidate, fold: Fold) -> dict[str, float]:
    pipeline = work.unfitted(candidate)
    shared = family_of(candidate, work.families) in work.transformed
    rows = np.arange(len(fold.labels))
    validated = cross_validate(
        pipeline[-1] if shared else pipeline,
        fold.features,
        fold.labels,
        cv=[(rows[: fold.train_rows], rows[fold.train_rows :])],
        scoring=work.task.scorers,
        error_score="raise",
    )
    row = {name: float(values[0]) for name, values in validated.items()}
    for name, seconds in zip(TIMES, fold.seconds, strict=True):
        row[name] += seconds
    return row
