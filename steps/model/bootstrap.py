"""95 % intervals of held-out scores, and of the difference between two models on the same rows.

Rows are drawn again within each class. The split is stratified, so the number of rows of each
class is fixed by design and not by chance; and no resample is left without a class. The intervals
are thus for data with this share of positives.

A score depends on rows only through their class and probabilities. Rows alike in these are counted
in one cell, and a resample is a multinomial draw of the counts: the very distribution of drawing
rows with replacement, at the cost of the distinct probabilities (a small forest has few).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from steps.model import bounded
from steps.model.interval import Interval as Interval  # part of what this module gives
from steps.model.metrics import METRICS, decide

RESAMPLES = 2000
# With many distinct probabilities the rows are many too and the intervals narrow: fewer resamples
# will do, and the time stays in bounds.
FEWEST_RESAMPLES = 200
DRAWS = 10_000_000
DRAWS_AT_ONCE = 1_000_000
NO_DIFFERENCE = 1e-12


@dataclass(frozen=True)
class _Cells:
    truth: np.ndarray  # (cells,) bool
    probabilities: np.ndarray  # (cells, models)
    counts: np.ndarray  # (cells,) rows in each


def intervals(
    truth: np.ndarray, probability: np.ndarray, threshold: float, seed: int
) -> dict[str, Interval]:
    """Score every metric, with its interval. `truth` is True where a row is positive."""
    if len(truth) > bounded.EXACT_ROWS:
        return bounded.intervals(truth, probability, threshold, seed)
    cells = _cells(truth, probability)
    evaluators = {
        metric: _evaluator(metric, cells.truth, cells.probabilities[:, 0], threshold)
        for metric in METRICS
    }
    drawn: dict[str, list[np.ndarray]] = {metric: [] for metric in METRICS}
    for weights in _resamples(cells, seed):
        for metric, evaluate in evaluators.items():
            drawn[metric].append(evaluate(weights))
    once = cells.counts[np.newaxis].astype(float)
    return {
        metric: _interval(float(evaluate(once)[0]), drawn[metric])
        for metric, evaluate in evaluators.items()
    }


def difference(
    metric: str,
    truth: np.ndarray,
    ours: tuple[np.ndarray, float],
    theirs: tuple[np.ndarray, float],
    seed: int,
) -> Interval:
    """Score of `ours` less that of `theirs`, both drawn on the same rows each time.

    Each model is its probabilities and its threshold.
    """
    if len(truth) > bounded.EXACT_ROWS and metric == "roc_auc":
        return bounded.gain(truth, ours[0], theirs[0])
    cells = _cells(truth, ours[0], theirs[0])
    evaluators = [
        _evaluator(metric, cells.truth, cells.probabilities[:, model], threshold)
        for model, threshold in enumerate((ours[1], theirs[1]))
    ]

    def gap(weights: np.ndarray) -> np.ndarray:
        differences = evaluators[0](weights) - evaluators[1](weights)
        # Models that rank alike may sum in another order: a last bit is no difference.
        return np.where(np.abs(differences) < NO_DIFFERENCE, 0.0, differences)

    once = cells.counts[np.newaxis].astype(float)
    return _interval(float(gap(once)[0]), [gap(weights) for weights in _resamples(cells, seed)])


def resamples(rows: int) -> str:
    """Say how many resamples intervals of so many rows rest on."""
    # Equal rows are drawn as one, so there may be fewer to draw from, and more resamples.
    fewest = _count(rows)
    return f"{RESAMPLES:,}" if fewest == RESAMPLES else f"{fewest:,} to {RESAMPLES:,}"


def _cells(truth: np.ndarray, *probabilities: np.ndarray) -> _Cells:
    rows = np.column_stack([truth.astype(float), *probabilities])
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    return _Cells(distinct[:, 0] > 0, distinct[:, 1:], counts)


def _count(size: int) -> int:
    return min(RESAMPLES, max(FEWEST_RESAMPLES, DRAWS // size))


def _resamples(cells: _Cells, seed: int) -> Iterator[np.ndarray]:
    """Yield blocks (resamples, cells) of how often each cell's rows are drawn."""
    random = np.random.default_rng(seed)
    size = len(cells.counts)
    left = _count(size)
    while left:
        block = min(left, max(1, DRAWS_AT_ONCE // size))
        weights = np.empty((block, size))
        for members in (cells.truth, ~cells.truth):
            counts = cells.counts[members]
            rows = counts.sum()
            weights[:, members] = random.multinomial(rows, counts / rows, size=block)
        yield weights
        left -= block


def _interval(value: float, drawn: list[np.ndarray]) -> Interval:
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return Interval(value, float(low), float(high))


Evaluator = Callable[[np.ndarray], np.ndarray]


def _evaluator(
    metric: str, truth: np.ndarray, probability: np.ndarray, threshold: float
) -> Evaluator:
    """Make the function that scores weighted cells: (resamples, cells) to (resamples,)."""
    if metric in ("roc_auc", "pr_auc"):
        return _ranking(metric, truth, probability)
    if metric in ("brier", "log_loss"):
        loss = _losses(metric, truth, probability)
        return lambda weights: np.asarray(weights @ loss / weights.sum(axis=1))
    return _decisions(metric, truth, decide(probability, threshold))


def _losses(metric: str, truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    if metric == "brier":
        return np.asarray((probability - truth) ** 2)
    # As scikit-learn's log_loss: a certain and wrong probability costs much, not infinitely much.
    tiny = np.finfo(probability.dtype).eps
    return np.asarray(-np.log(np.clip(np.where(truth, probability, 1 - probability), tiny, 1)))


def _decisions(metric: str, truth: np.ndarray, decided: np.ndarray) -> Evaluator:
    hits, right = (truth & decided).astype(float), (truth == decided).astype(float)

    def evaluate(weights: np.ndarray) -> np.ndarray:
        true_positive = weights @ hits
        below = {
            "precision": weights @ decided.astype(float),
            "recall": weights @ truth.astype(float),
            "f1": (weights @ decided.astype(float) + weights @ truth.astype(float)) / 2,
            "accuracy": weights.sum(axis=1),
        }[metric]
        above = weights @ right if metric == "accuracy" else true_positive
        return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0))

    return evaluate


def _ranking(metric: str, truth: np.ndarray, probability: np.ndarray) -> Evaluator:
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    # Equal probabilities are one step of the curve.
    starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])
    positive, negative = truth[order].astype(float), (~truth[order]).astype(float)

    def evaluate(weights: np.ndarray) -> np.ndarray:
        sorted_weights = weights[:, order]
        ups = np.add.reduceat(sorted_weights * positive, starts, axis=1)
        downs = np.add.reduceat(sorted_weights * negative, starts, axis=1)
        true_positive, false_positive = ups.cumsum(axis=1), downs.cumsum(axis=1)
        positives = true_positive[:, -1]
        if metric == "roc_auc":
            area = (downs * (true_positive - ups / 2)).sum(axis=1)
            return np.asarray(area / (positives * false_positive[:, -1]))
        decided = true_positive + false_positive
        precision = np.divide(true_positive, decided, out=np.zeros_like(decided), where=decided > 0)
        return np.asarray((ups * precision).sum(axis=1) / positives)

    return evaluate
