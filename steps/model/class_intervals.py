"""95 % intervals of the scores of more than two classes, and of the difference of two models.

Rows are thought of as drawn again within each class, as in `bootstrap`, but only what no formula
gives is drawn. Decisions depend on rows only through their class and the predicted ones, so the
counts of these cells are drawn: the very distribution of drawing rows. The log loss is a mean. ROC
AUC averages shares of pairs, and each row's share in them gives its variance (DeLong, DeLong and
Clarke-Pearson 1988). The time thus hardly exceeds that of the scores themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from steps.model import class_metrics
from steps.model.bootstrap import NO_DIFFERENCE
from steps.model.bounded import placements
from steps.model.interval import NORMAL_95, Interval

RESAMPLES, FEWEST_RESAMPLES = 2000, 200
# Cells to draw in all.
DRAWS = 5_000_000
# Scores that are no decisions', with their highest value.
OF_PROBABILITIES = {"roc_auc": 1.0, "log_loss": np.inf}


def intervals(truth: np.ndarray, probability: np.ndarray, seed: int) -> dict[str, Interval]:
    """Score probabilities (rows, classes), with the interval of each score.

    `truth` holds the positions of the rows' classes.
    """
    found = class_metrics.scores(truth, probability)
    decisions = _Decisions.of(truth, [probability], seed)
    return {
        name: _of_shares(value, truth, _shares(name, truth, probability), 0, OF_PROBABILITIES[name])
        if name in OF_PROBABILITIES
        else _of_draws(value, decisions.drawn(0, name))
        for name, value in found.items()
    }


def difference(
    metric: str, truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, seed: int
) -> Interval:
    """Score `ours` minus `theirs`, on the same rows."""
    both = (ours, theirs)
    mine, other = (class_metrics.scores(truth, each)[metric] for each in both)
    if metric in OF_PROBABILITIES:
        mine_of, other_of = (_shares(metric, truth, each) for each in both)
        return _of_shares(mine - other, truth, mine_of - other_of, -np.inf, np.inf)
    decisions = _Decisions.of(truth, both, seed)
    return _of_draws(mine - other, decisions.drawn(0, metric) - decisions.drawn(1, metric))


def _shares(metric: str, truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Give each row's share in a score: resampled rows change the score by their sum."""
    if metric == "log_loss":
        return class_metrics.losses(truth, probability) / len(truth)
    shares, areas = np.zeros(len(truth)), 0
    for position in range(probability.shape[1]):
        is_own = truth == position
        if is_own.any() and not is_own.all():
            own, others = placements(is_own, probability[:, position])
            shares[is_own] += own / len(own)
            shares[~is_own] += others / len(others)
            areas += 1
    return shares / max(areas, 1)


def _of_shares(
    value: float, truth: np.ndarray, shares: np.ndarray, least: float, most: float
) -> Interval:
    counts = np.bincount(truth)
    there = np.maximum(counts, 1)
    means = np.bincount(truth, shares) / there
    variances = np.bincount(truth, (shares - means[truth]) ** 2) / there
    spread = NORMAL_95 * float(np.sqrt(counts @ variances))
    low, high = np.clip([value - spread, value + spread], least, most)
    return Interval(value, _without_last_bit(low), _without_last_bit(high))


def _of_draws(value: float, drawn: np.ndarray) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, _without_last_bit(low), _without_last_bit(high))


def _without_last_bit(end: float) -> float:
    # Models with equal predictions may sum in another order: the last bit is no difference.
    return 0.0 if abs(end) < NO_DIFFERENCE else float(end)


@dataclass(frozen=True)
class _Decisions:
    """Rows by class and by each model's decision: cells, and their counts drawn many times."""

    actual: np.ndarray  # (cells,)
    decided: np.ndarray  # (cells, models)
    counts: np.ndarray  # (draws, cells)
    classes: int

    @classmethod
    def of(cls, truth: np.ndarray, models: Sequence[np.ndarray], seed: int) -> _Decisions:
        """Draw the cells of the models' most probable classes, within each actual class."""
        rows = np.column_stack([truth, *(each.argmax(axis=1) for each in models)])
        cells, counts = np.unique(rows, axis=0, return_counts=True)
        random = np.random.default_rng(seed)
        draws = min(RESAMPLES, max(FEWEST_RESAMPLES, DRAWS // len(cells)))
        drawn = np.empty((draws, len(cells)))
        for label in np.unique(truth):
            own = cells[:, 0] == label
            total = counts[own].sum()
            drawn[:, own] = random.multinomial(total, counts[own] / total, size=draws)
        return cls(cells[:, 0], cells[:, 1:], drawn, models[0].shape[1])

    def drawn(self, model: int, metric: str) -> np.ndarray:
        """Score a model's decisions in each draw: (draws,)."""
        decided = self.decided[:, model]
        right = self.actual == decided
        hits = self._by_class(self.actual, right)
        if metric == "accuracy":
            return np.asarray(hits.sum(axis=1) / self.counts.sum(axis=1))
        actual, predicted = self._by_class(self.actual), self._by_class(decided)
        ratios = class_metrics.ratios(hits, actual, predicted)
        of_classes = ratios["recall" if metric == "balanced_accuracy" else metric]
        counted = actual > 0 if metric == "balanced_accuracy" else actual + predicted > 0
        return np.asarray((of_classes * counted).sum(axis=1) / counted.sum(axis=1))

    def _by_class(self, label: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
        """Add up the cells by their label: (draws, classes)."""
        ones = np.ones(len(label)) if counted is None else counted.astype(float)
        shape = (len(label), self.classes)
        return np.asarray(self.counts @ csr_matrix((ones, (np.arange(len(label)), label)), shape))
