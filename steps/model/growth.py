"""An ensemble that grows from size to size and answers for unseen rows at each.

`warm_start` skips the seeds that were drawn; each tree's predictions are added once to a running
sum, and the trees are let go. The sum is `predict_proba`'s own: in order, in one thread, divided
by the number of trees. Answers are equal, bit for bit, to those of separate fits.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone, is_classifier

from steps.model.prefixes import FORESTS, GRADIENT, size_parameter

# Trees that take less than this together are fitted in one call, and scored size by size.
SECONDS_AT_ONCE = 0.1


@dataclass(frozen=True)
class Reached:
    """A size that was reached: its predictions as a fitted estimator, seconds since the start.

    `score_seconds` are those of predicting, summed over the trees so far.
    """

    size: int
    answers: Answers
    fit_seconds: float
    score_seconds: float


class Answers(BaseEstimator):  # type: ignore[misc]
    """A fitted estimator that knows its answers for one set of rows; scorers need no more.

    It never looks at X, so X has to be these rows, in their order.
    """

    def __init__(self, classes: Any = None, values: Any = None) -> None:
        self.classes, self.values = classes, values

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Answers:
        """Learn nothing more; scikit-learn takes what has no `fit` for no estimator."""
        return self


class ClassAnswers(ClassifierMixin, Answers):  # type: ignore[misc]
    """Answers of a classifier.

    `values` are probabilities (rows, classes), a list of such if there are several outputs.
    """

    @property
    def classes_(self) -> Any:
        """The labels, in the order of the columns."""
        return self.classes

    def predict_proba(self, X: Any) -> Any:
        """Give the probabilities known."""
        return self.values

    def predict(self, X: Any) -> Any:
        """Decide as scikit-learn's forests and boosting do: the first of the most probable."""
        if isinstance(self.values, list):
            pairs = zip(self.classes, self.values, strict=True)
            return np.column_stack([c.take(np.argmax(p, axis=1), axis=0) for c, p in pairs])
        return self.classes.take(np.argmax(self.values, axis=1), axis=0)


class DecidedAnswers(ClassAnswers):
    """Answers of gradient boosting, whose decisions are made of raw scores: ties may differ."""

    def __init__(
        self, classes: Any = None, values: Any = None, decided: Any = None, raw: Any = None
    ) -> None:
        super().__init__(classes, values)
        self.decided, self.raw = decided, raw

    def predict(self, X: Any) -> Any:
        """Give the decisions known."""
        return self.decided

    def decision_function(self, X: Any) -> Any:
        """Give the raw scores, which scorers of rankings ask for first."""
        return self.raw


class ValueAnswers(RegressorMixin, Answers):  # type: ignore[misc]
    """Answers of a regressor."""

    def predict(self, X: Any) -> Any:
        """Give the values known."""
        return self.values


def answers_to(fitted: Any, features: Any) -> Any:
    """Ask a fitted pipeline once for what several scores and figures of the same rows are made of.

    Gives the pipeline itself if its decisions do not follow from its probabilities.
    """
    if type(fitted[-1]) not in FORESTS or not is_classifier(fitted):
        return fitted
    return ClassAnswers(fitted.classes_, fitted.predict_proba(features))


# scikit-learn warns that "balanced" weighs each time anew; here the rows are the same each time.
QUIETED: tuple[Any, ...] = ("ignore", "class_weight presets", UserWarning)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep scikit-learn from a warning that a growing ensemble gives no reason for.

    Filters belong to the whole process, so this is entered before any thread fits.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(*QUIETED)
        yield


def grow(
    estimator: Any, sizes: Sequence[int], seen: Any, labels: Any, unseen: Any
) -> Iterator[Reached]:
    """Fit on `seen` up to each size in turn, and answer for `unseen`.

    `estimator` is unfitted, with the group's parameters; `can_share` holds for it.
    """
    if type(estimator) in FORESTS:
        yield from _grow_forest(estimator, sizes, seen, labels, unseen)
    else:
        yield from _grow_stages(estimator, sizes, seen, labels, unseen)


def as_forest_reads(rows: Any) -> Any:
    """Convert once to what each fit and each prediction of a forest would convert to."""
    return rows.astype(np.float32) if issparse(rows) else np.asarray(rows, dtype=np.float32)


def _grow_forest(
    estimator: Any, sizes: Sequence[int], seen: Any, labels: Any, unseen: Any
) -> Iterator[Reached]:
    forest = clone(estimator).set_params(warm_start=True)
    classifier = is_classifier(forest)
    score_seconds, total, before = 0.0, None, 0
    started = time.perf_counter()
    seen = as_forest_reads(seen)
    unseen = as_forest_reads(unseen)
    unseen = unseen.tocsr() if issparse(unseen) else unseen
    # Seconds until each number of trees, from none on.
    ends = np.array([time.perf_counter() - started])
    for size in sizes:
        if size >= len(ends):
            ends = _fit_more(forest, _goal(sizes, size, ends), ends, seen, labels)
        started = time.perf_counter()
        for tree in forest.estimators_[before:size]:
            # Bit for bit _accumulate_prediction of sklearn.ensemble._forest, version 1.9.
            answer = (tree.predict_proba if classifier else tree.predict)(unseen, check_input=False)
            total = _add(total, answer)
        answers = _answers(forest, classifier, total, size)
        # Only their number counts from here on: a large forest would fill the memory.
        forest.estimators_[:size] = forest.estimators_[:1] * size
        before = size
        score_seconds += time.perf_counter() - started
        yield Reached(size, answers, float(ends[size]), score_seconds)


def _goal(sizes: Sequence[int], size: int, ends: np.ndarray) -> int:
    """Say how many trees to fit in this call: up to `size`, or to a later one that is soon there.

    A call takes as long as a tree of a few hundred rows.
    """
    trees = len(ends) - 1
    if not trees:
        return size
    soon = trees + SECONDS_AT_ONCE * trees / (ends[-1] - ends[0])
    return max(size, *(one for one in sizes if one <= soon), 0)


def _fit_more(forest: Any, goal: int, ends: np.ndarray, seen: Any, labels: Any) -> np.ndarray:
    """Grow a forest to so many trees; give `ends` with an equal share of the time for each."""
    started, more = time.perf_counter(), goal - (len(ends) - 1)
    forest.set_params(n_estimators=goal).fit(seen, labels)
    seconds = time.perf_counter() - started
    return np.append(ends, ends[-1] + seconds * np.arange(1, more + 1) / more)


def _add(total: Any, answer: Any) -> Any:
    if isinstance(answer, list):
        sums = total or [None] * len(answer)
        return [_add(one, new) for one, new in zip(sums, answer, strict=True)]
    if total is None:
        # The sum starts at zero, as scikit-learn's: -0.0 becomes 0.0.
        total = np.zeros(answer.shape, dtype=np.float64)
    total += answer
    return total


def _answers(forest: Any, classifier: bool, total: Any, size: int) -> Answers:
    values = [one / size for one in total] if isinstance(total, list) else total / size
    return ClassAnswers(forest.classes_, values) if classifier else ValueAnswers(None, values)


def _grow_stages(
    estimator: Any, sizes: Sequence[int], seen: Any, labels: Any, unseen: Any
) -> Iterator[Reached]:
    model, named = clone(estimator), size_parameter(estimator)
    model.set_params(**{named: max(sizes)})
    ends = [time.perf_counter()]
    if type(model) in GRADIENT:
        # Called after each stage; it stops the fit if it gives True.
        model.fit(seen, labels, monitor=lambda *_: ends.append(time.perf_counter()))
    else:
        model.fit(seen, labels)
        first, last = ends[0], time.perf_counter()
        # It has no such call: a stage costs as much as another.
        ends += list(first + (last - first) * np.arange(1, max(sizes) + 1) / max(sizes))
    score_seconds, before = 0.0, 0
    stages = _stages(model, unseen)
    for size in sizes:
        started = time.perf_counter()
        answers = next(islice(stages, size - before - 1, None))
        score_seconds += time.perf_counter() - started
        before = size
        yield Reached(size, answers, ends[size] - ends[0], score_seconds)


def _stages(model: Any, unseen: Any) -> Iterator[Answers]:
    if not is_classifier(model):
        # scikit-learn fills one array again and again: keep this stage's.
        yield from (ValueAnswers(None, np.array(v)) for v in model.staged_predict(unseen))
        return
    together = zip(
        model.staged_predict_proba(unseen),
        model.staged_predict(unseen),
        model.staged_decision_function(unseen),
        strict=True,
    )
    for p, decided, raw in together:
        raw = raw.ravel() if raw.ndim == 2 and raw.shape[1] == 1 else raw
        yield DecidedAnswers(model.classes_, np.array(p), np.array(decided), np.array(raw))
