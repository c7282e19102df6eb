"""Held-out scores with 95 % intervals in bounded time; for more than 50,000 rows.

Nothing is resampled that a formula gives: a decision's scores follow from two binomial counts,
losses are means, and the variance of ROC AUC, or of the gain in it, is DeLong's (DeLong, DeLong
and Clarke-Pearson 1988: each row's share of pairs won), all drawn within each class as the exact
intervals are. Only PR AUC is resampled, from counts of rows in at most BINS bins of
probabilities. Point values are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from steps.model.interval import NORMAL_95, Interval
from steps.model.metrics import decide

EXACT_ROWS = 50_000
BINS = 2_000
RESAMPLES = 500


@dataclass(frozen=True)
class Histogram:
    """Rows of each class by bin of their probability; both are (bins,), rising."""

    positive: np.ndarray
    negative: np.ndarray


def histogram(truth: np.ndarray, probability: np.ndarray, bins: int = BINS) -> Histogram:
    """Count rows by class and bin.

    Bins hold equal numbers of positive rows: equal widths, or bins of all rows, would put a rare
    class into few of them. A model with few distinct probabilities keeps each.
    """
    rank = _bins(truth, probability, bins)
    counted = [np.bincount(rank[part], minlength=rank.max() + 1) for part in (truth, ~truth)]
    return Histogram(*counted)


def _bins(truth: np.ndarray, probability: np.ndarray, bins: int) -> np.ndarray:
    distinct = np.unique(probability[truth])
    if len(distinct) > bins:
        distinct = np.unique(np.quantile(probability[truth], np.linspace(0, 1, bins + 1)))
    # A bin begins at a positive row: each negative row counts from where it is decided with it, so
    # that with a bin for each positive row nothing is lost.
    return np.searchsorted(distinct, probability, side="right")


def average_precision(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """PR AUC of weighted bins (resamples, bins), rising: (resamples,)."""
    ups = positive[:, ::-1].astype(float)
    hits, decided = ups.cumsum(axis=1), (positive + negative)[:, ::-1].cumsum(axis=1)
    precision = np.divide(hits, decided, out=np.zeros_like(hits), where=decided > 0)
    return np.asarray((ups * precision).sum(axis=1) / hits[:, -1])


def placements(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the other class each row is ranked right against, ties counting half.

    Gives (positives,), (negatives,), in the rows' order; the mean of either is ROC AUC.
    """
    up, down = probability[truth], probability[~truth]
    return _share_below(up, down), 1 - _share_below(down, up)


def _share_below(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    rising = np.sort(others)
    sides = np.searchsorted(rising, rows, "left") + np.searchsorted(rising, rows, "right")
    return np.asarray(sides / (2 * len(rising)))


def intervals(
    truth: np.ndarray, probability: np.ndarray, threshold: float, seed: int
) -> dict[str, Interval]:
    """Score every metric, with its interval. `truth` is True where a row is positive."""
    tiny = np.finfo(float).eps
    right = np.clip(np.where(truth, probability, 1 - probability), tiny, 1)
    area = roc_auc_score(truth, probability)
    return {
        "roc_auc": _pairs(area, placements(truth, probability), (0.0, 1.0)),
        "pr_auc": _pr_auc(truth, probability, seed),
        **_decisions(truth, decide(probability, threshold), seed),
        "brier": _mean(truth, (probability - truth) ** 2, brier_score_loss(truth, probability)),
        "log_loss": _mean(truth, -np.log(right), log_loss(truth, probability)),
    }


def gain(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> Interval:
    """ROC AUC of `ours` less `theirs` on the same rows, with its interval."""
    value = roc_auc_score(truth, ours) - roc_auc_score(truth, theirs)
    pairs = zip(placements(truth, ours), placements(truth, theirs), strict=True)
    return _pairs(value, tuple(a - b for a, b in pairs), (-1.0, 1.0))


def _pairs(value: float, placed: tuple[np.ndarray, ...], limits: tuple[float, float]) -> Interval:
    spread = NORMAL_95 * float(np.sqrt(sum(part.var() / len(part) for part in placed)))
    low, high = np.clip([value - spread, value + spread], *limits)
    return Interval(float(value), float(low), float(high))


def _pr_auc(truth: np.ndarray, probability: np.ndarray, seed: int) -> Interval:
    random = np.random.default_rng(seed)
    counts = histogram(truth, probability)
    parts = (counts.positive, counts.negative)
    drawn = [random.multinomial(p.sum(), p / p.sum(), size=RESAMPLES) for p in parts]
    value = average_precision_score(truth, probability)
    binned = average_precision(*(part[np.newaxis] for part in parts))[0]
    # What binning changed of the value it changed of each resample.
    low, high = np.quantile(average_precision(*drawn), [0.025, 0.975]) + (value - binned)
    return Interval(float(value), float(low), float(high))


def _mean(truth: np.ndarray, loss: np.ndarray, value: float) -> Interval:
    """Of a mean over rows, its two classes drawn apart: the normal interval."""
    parts = (loss[truth], loss[~truth])
    spread = NORMAL_95 * float(np.sqrt(sum(p.var() * len(p) for p in parts))) / len(loss)
    return Interval(float(value), float(value) - spread, float(value) + spread)


def _decisions(truth: np.ndarray, decided: np.ndarray, seed: int) -> dict[str, Interval]:
    """Draw only how many of each class are decided positive: two binomials."""
    random = np.random.default_rng(seed)
    p, n = int(truth.sum()), int((~truth).sum())
    hit, alarm = int((truth & decided).sum()), int((~truth & decided).sum())

    def scored(hits: np.ndarray, alarms: np.ndarray) -> dict[str, np.ndarray]:
        called = hits + alarms
        return {
            "precision": np.divide(hits, called, out=np.zeros_like(called), where=called > 0),
            "recall": hits / p,
            "f1": 2 * hits / (called + p),
            "accuracy": (hits + n - alarms) / (p + n),
        }

    once = scored(np.array([float(hit)]), np.array([float(alarm)]))
    many = scored(
        random.binomial(p, hit / p, 2000).astype(float),
        random.binomial(n, alarm / n, 2000).astype(float),
    )
    limits = {name: np.quantile(values, [0.025, 0.975]) for name, values in many.items()}
    return {m: Interval(float(once[m][0]), *map(float, limits[m])) for m in once}
