"""Compute 95 % intervals of any score of predicted numbers, and of the difference of two models.

The bootstrap resamples rows with replacement. To bound the time, a resample of a large table has
fewer rows, and its distance from the score of all rows is scaled down to that of a full resample
(the m out of n bootstrap: Bickel, Götze and van Zwet 1997). With as many draws as rows, this is the
plain percentile bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from steps.model.bootstrap import NO_DIFFERENCE, Interval

RESAMPLES, FEWEST_RESAMPLES = 2000, 200
# Rows to score in all.
ROWS = 20_000_000

Score = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]


def intervals(
    score: Score, truth: np.ndarray, predicted: np.ndarray, seed: int
) -> dict[str, Interval]:
    """Score predictions, with the interval of each score.

    `predicted` has the shape (rows,) or (rows, classes).
    """
    scores = score(truth, predicted)
    drawn: dict[str, list[float]] = {name: [] for name in scores}
    rows = 0
    for chosen in _resamples(len(truth), seed):
        rows = len(chosen)
        for name, value in score(truth[chosen], predicted[chosen]).items():
            drawn[name].append(value)
    return {name: _interval(scores[name], drawn[name], rows, len(truth)) for name in scores}


def difference(
    score: Callable[[np.ndarray, np.ndarray], float],
    truth: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    seed: int,
) -> Interval:
    """Score `ours` minus `theirs`, each time on the same resampled rows."""
    gain = score(truth, ours) - score(truth, theirs)
    drawn, rows = [], 0
    for chosen in _resamples(len(truth), seed):
        rows, actual = len(chosen), truth[chosen]
        drawn.append(score(actual, ours[chosen]) - score(actual, theirs[chosen]))
    return _interval(gain, drawn, rows, len(truth))


def number(rows: int) -> int:
    """Say how many resamples are drawn of so many rows."""
    return min(RESAMPLES, max(FEWEST_RESAMPLES, ROWS // rows))


def _resamples(rows: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the row positions of each resample; all have the same length."""
    random = np.random.default_rng(seed)
    size = min(rows, ROWS // FEWEST_RESAMPLES)
    for _ in range(number(rows)):
        yield random.integers(rows, size=size)


def _interval(value: float, drawn: list[float], rows: int, rows_in_all: int) -> Interval:
    # If no resample has the score (one class only), its quantiles are NaN, without a warning.
    low, high = np.quantile(drawn, [0.025, 0.975])
    scale = np.sqrt(rows / rows_in_all)
    ends = [value + scale * (end - value) if scale < 1 else end for end in (low, high)]
    # Models with equal predictions may sum in another order: the last bit is no difference.
    low, high = (0.0 if abs(end) < NO_DIFFERENCE else float(end) for end in ends)
    return Interval(value, low, high)
