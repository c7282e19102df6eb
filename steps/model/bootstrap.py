"""95 % intervals of held-out scores, and of the difference between two models on the same rows.

Rows are drawn again within each class. The split is stratified, so the number of rows of each
class is fixed by design and not by chance; and no resample is left without a class. The intervals
are thus for data with this share of positives.
"""

from __future__ import annotations

import numpy as np

from steps.model.interval import Interval as Interval  # part of what this module gives
from steps.model.levels import Levels
from steps.model.metrics import METRICS, decide
from steps.model.resampled import resamples

NO_DIFFERENCE = 1e-12


def intervals(
    truth: np.ndarray, probability: np.ndarray, threshold: float, seed: int
) -> dict[str, Interval]:
    """Score every metric, with its interval. `truth` is True where a row is positive."""
    rows = Levels.of(truth, probability)
    decided = decide(rows.values, threshold)
    drawn = [
        [again.score(metric, decided) for metric in METRICS]
        for (again,) in resamples(truth, [probability], seed)
    ]
    lows, highs = np.quantile(np.concatenate(drawn, axis=1), [0.025, 0.975], axis=1)
    return {
        metric: Interval(float(rows.score(metric, decided)), float(low), float(high))
        for metric, low, high in zip(METRICS, lows, highs, strict=True)
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
    models, thresholds = (ours[0], theirs[0]), (ours[1], theirs[1])

    def gap(pair: tuple[Levels, ...]) -> np.ndarray:
        mine, other = (
            rows.score(metric, decide(rows.values, threshold))
            for rows, threshold in zip(pair, thresholds, strict=True)
        )
        # Models that rank alike may sum in another order: a last bit is no difference.
        return np.where(np.abs(mine - other) < NO_DIFFERENCE, 0.0, mine - other)

    value = gap(tuple(Levels.of(truth, each) for each in models))
    drawn = [gap(pair) for pair in resamples(truth, models, seed)]
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return Interval(float(value), float(low), float(high))
