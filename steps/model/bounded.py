"""Held-out scores of two classes with 95 % intervals in bounded time: for large tables.

Nothing is resampled that a formula gives: a decision's scores follow from two binomial counts,
losses are means, and the variance of ROC AUC, or of the gain in it, is DeLong's (DeLong, DeLong
and Clarke-Pearson 1988: each row's share of pairs won), all drawn within each class as the exact
intervals are. Only PR AUC is resampled, from counts of rows in at most BINS groups of
probabilities. Point values are exact.
"""

from __future__ import annotations

import numpy as np

from steps.model.interval import Interval, normal
from steps.model.levels import LOSSES, Levels, decision_score, losses
from steps.model.metrics import METRICS, decide

# Of the table: training and held-out rows. From here on, formulas.
EXACT_ROWS = 50_000
BINS = 500
RESAMPLES, DECISIONS = 500, 2_000


def is_exact(rows: int) -> bool:
    """Tell whether a table of so many rows, held-out ones too, is evaluated without shortcuts."""
    return rows < EXACT_ROWS


def intervals(
    truth: np.ndarray, probability: np.ndarray, threshold: float, seed: int
) -> dict[str, Interval]:
    """Score every metric, with its interval. `truth` is True where a row is positive."""
    rows = Levels.of(truth, probability)
    decided = decide(rows.values, threshold)
    found: dict[str, Interval] = {}
    for metric in METRICS:
        value = float(rows.score(metric, decided))
        if metric == "roc_auc":
            found[metric] = _normal(value, _of_pairs(rows), 0.0, 1.0)
        elif metric == "pr_auc":
            found[metric] = _pr_auc(rows, value, seed)
        elif metric in LOSSES:
            found[metric] = _normal(value, _of_loss(metric, rows), -np.inf, np.inf)
        else:
            found[metric] = _decision(metric, rows, decided, value, seed)
    return found


def gain(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> Interval:
    """ROC AUC of `ours` less `theirs` on the same rows, with its interval."""
    pairs = zip(placements(truth, ours), placements(truth, theirs), strict=True)
    of_positive, of_negative = (mine - other for mine, other in pairs)
    variance = of_positive.var() / len(of_positive) + of_negative.var() / len(of_negative)
    return _normal(float(of_positive.mean()), float(variance), -1.0, 1.0)


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


def _normal(value: float, variance: float, least: float, most: float) -> Interval:
    return normal(value, float(np.sqrt(variance)), least, most)


def _of_pairs(rows: Levels) -> float:
    """Compute DeLong's variance of ROC AUC."""
    parts = zip(rows.shares_below(), (rows.positive, rows.negative), strict=True)
    return float(sum(_variance(shares, counts) / counts.sum() for shares, counts in parts))


def _of_loss(metric: str, rows: Levels) -> float:
    """Compute the variance of a mean over rows whose two classes are drawn apart."""
    parts = zip(losses(metric, rows.values), (rows.positive, rows.negative), strict=True)
    lost = sum(_variance(loss, counts) * counts.sum() for loss, counts in parts)
    return float(lost / (rows.positives + rows.negatives) ** 2)


def _variance(values: np.ndarray, counts: np.ndarray) -> float:
    mean = np.average(values, weights=counts)
    return float(np.average((values - mean) ** 2, weights=counts))


def _pr_auc(rows: Levels, value: float, seed: int) -> Interval:
    random = np.random.default_rng(seed)
    grouped = _grouped(rows)
    drawn = Levels(
        grouped.values,
        *(
            random.multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES)
            for counts in (grouped.positive, grouped.negative)
        ),
    )
    # What grouping changed of the value it changed of each resample.
    low, high = np.quantile(drawn.pr_auc(), [0.025, 0.975]) + (value - grouped.pr_auc())
    return Interval(value, float(low), float(high))


def _grouped(rows: Levels) -> Levels:
    """Put rows into at most BINS groups of neighbouring levels.

    Groups hold equal numbers of positive rows: equal widths, or groups of all rows, would put a
    rare class into few of them. A model with few distinct probabilities keeps each.
    """
    starts = rows.values[rows.positive > 0]
    if len(starts) > BINS:
        all_positive = np.repeat(rows.values, rows.positive)
        starts = np.unique(np.quantile(all_positive, np.linspace(0, 1, BINS + 1)))
    # A group begins at a positive row: each negative row counts from where it is decided with it,
    # so that with a group for each positive row nothing is lost.
    group = np.searchsorted(starts, rows.values, side="right")
    counts = (
        np.bincount(group, each, len(starts) + 1).astype(int)
        for each in (rows.positive, rows.negative)
    )
    return Levels(np.append(0.0, starts), *counts)


def _decision(metric: str, rows: Levels, decided: np.ndarray, value: float, seed: int) -> Interval:
    """Draw only how many of each class are decided positive: two binomials."""
    random = np.random.default_rng(seed)
    hits, alarms = (
        random.binomial(total, counts[decided].sum() / total, DECISIONS).astype(float)
        for total, counts in ((rows.positives, rows.positive), (rows.negatives, rows.negative))
    )
    scores = decision_score(metric, hits, alarms, rows.positives, rows.negatives)
    low, high = np.quantile(scores, [0.025, 0.975])
    return Interval(value, float(low), float(high))
