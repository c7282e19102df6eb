"""The rows of each fold after the steps that come before the last one.

scikit-learn fits the whole pipeline for each candidate and fold. Where the steps before the last
one are the same for all candidates they come out the same each time: done once, the results are
equal, bit for bit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import resample

from steps.model.candidates import candidate_pipeline, family_of
from steps.model.columns import blocks, fill
from steps.model.folds import Split
from steps.model.grid import Candidate
from steps.model.growth import as_forest_reads
from steps.model.prefixes import FORESTS
from steps.model.task import Task

if TYPE_CHECKING:
    import pandas as pd

# Kept in memory for all folds, in each process; with more data than this, filling in missing
# values is a small part of a fit anyway.
MOST_BYTES_KEPT = 100_000_000


@dataclass(frozen=True)
class Work:
    """What all candidates of a search share.

    `families` are the unfitted pipelines by the name of their estimator; `estimator` is the first.
    `prefix` is that of the last step's parameters (`clf__`) if the candidates differ in no
    other step, else empty; `seed` draws the rows of a search that begins with few of them.
    """

    families: Mapping[str, Pipeline]
    features: pd.DataFrame
    labels: np.ndarray
    folds: int
    task: Task
    prefix: str = ""
    groups: np.ndarray | None = None
    seed: int = 0

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
class Fold:
    """Rows to train on and rows to test on, ready for the last step of the pipeline.

    `seconds` is what it took to make them: to fit the steps before, and to apply them.
    """

    seen: Any
    seen_labels: np.ndarray
    unseen: Any
    unseen_labels: np.ndarray
    seconds: tuple[float, float]


class Folds:
    """Makes folds when they are asked for, in any thread, and keeps those that many share."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, str], tuple[int | None, Fold]] = {}
        self._making = [threading.Lock() for _ in range(work.folds)]
        self._fold_of: np.ndarray | None = None

    def __reduce__(self) -> tuple[type[Folds], tuple[Work]]:
        # Another process makes its own: that takes less than to send them.
        return Folds, (self.work,)

    def get(self, number: int, candidate: Candidate, pipeline: Pipeline, rows: int | None) -> Fold:
        """Give a fold for a candidate's pipeline.

        With `rows` its share of so many of the table's is taken, as scikit-learn's halving does.
        """
        narrow = self._is_narrow(pipeline)
        if not self.are_kept(pipeline):
            return self._make(number, pipeline, rows, narrow)
        # The steps before the last one are those of the kind of estimator.
        key = number, family_of(candidate, self.work.families)
        with self._making[number]:
            rows_kept, fold = self._kept.get(key, (rows, None))
            if fold is None or rows_kept != rows:
                fold = self._make(number, pipeline, rows, narrow)
                self._kept[key] = rows, fold
        return fold

    def are_kept(self, pipeline: Pipeline) -> bool:
        """Whether candidates share the folds, and memory has room for them."""
        size = 4 if self._is_narrow(pipeline) else 8
        values = len(self.work.families) * self.work.folds * self.work.features.size
        bytes_kept = values * size
        return bool(self.work.prefix) and bytes_kept <= MOST_BYTES_KEPT

    def _is_narrow(self, pipeline: Pipeline) -> bool:
        # Forests turn what they read into float32, for each fit and each prediction.
        return type(pipeline[-1]) in FORESTS

    def _split(self, number: int, rows: int | None) -> Split:
        with self._lock:
            if self._fold_of is None:
                # The lists of rows would be as large as many columns of the table.
                self._fold_of = np.empty(len(self.work.labels), np.min_scalar_type(self.work.folds))
                for fold, (_, test) in enumerate(self.work.splits()):
                    self._fold_of[test] = fold
        is_test = self._fold_of == number
        split = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        return split if rows is None else self._sample(split, rows)

    def _sample(self, split: Split, rows: int) -> Split:
        # sklearn.model_selection._search_successive_halving._SubsampleMetaSplitter, version 1.9.
        share, seed = rows / len(self.work.labels), self.work.seed
        train, test = (
            resample(part, replace=False, random_state=seed, n_samples=int(share * len(part)))
            for part in split
        )
        return train, test

    def _make(self, number: int, pipeline: Pipeline, rows: int | None, narrow: bool) -> Fold:
        train, test = self._split(number, rows)
        shared, work = pipeline[:-1], self.work
        parts = blocks(shared, work.features) if narrow else None
        if parts is not None:
            seen, unseen, seconds = fill(parts, work.features, work.labels, train, test)
        else:
            read = as_forest_reads if narrow else _as_it_is
            times = [time.perf_counter()]
            seen = read(shared.fit_transform(work.features.iloc[train], work.labels[train]))
            times.append(time.perf_counter())
            unseen = read(shared.transform(work.features.iloc[test]))
            times.append(time.perf_counter())
            seconds = times[1] - times[0], times[2] - times[1]
        return Fold(seen, work.labels[train], unseen, work.labels[test], seconds)


def _as_it_is(rows: Any) -> Any:
    return rows
