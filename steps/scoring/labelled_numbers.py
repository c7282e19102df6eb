"""Scores of a regression, from sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steps.model.interval import Interval, normal

# Dropping these lower bits of a float leaves 512 steps between a number and its double. The middle
# of a step is within 0.1 % of all values in it.
BITS_LEFT_OUT = np.uint64(43)


@dataclass(frozen=True)
class NumberSums:
    """Sums over labelled rows.

    `mean` and `variation` (the sum of squares around the mean) describe the labels; `steps` and
    `counts` are a histogram of the absolute errors. `inside` counts the rows within their
    interval, or is None without intervals.
    """

    rows: int
    mean: float
    variation: float
    squares: float
    absolute: float
    steps: np.ndarray
    counts: np.ndarray
    inside: int | None

    @classmethod
    def count(
        cls, actual: np.ndarray, predicted: np.ndarray, half_width: float | None
    ) -> NumberSums:
        """Add up rows, except those without a number (NaN)."""
        known = ~np.isnan(actual)
        actual, errors = actual[known], np.abs(actual[known] - predicted[known])
        mean = float(actual.mean()) if len(actual) else 0.0
        steps, counts = np.unique(errors.view(np.uint64) >> BITS_LEFT_OUT, return_counts=True)
        inside = None if half_width is None else int(np.count_nonzero(errors <= half_width))
        return cls(
            rows=len(actual),
            mean=mean,
            variation=float(np.sum((actual - mean) ** 2)),
            squares=float(errors @ errors),
            absolute=float(errors.sum()),
            steps=steps,
            counts=counts,
            inside=inside,
        )

    @classmethod
    def merge(cls, parts: Sequence[NumberSums]) -> NumberSums:
        """Add up several parts.

        The variation is combined by way of the parts' means (Chan, Golub and LeVeque 1983): plain
        sums of squares would lose it to rounding where the labels are far from zero.
        """
        rows = sum(part.rows for part in parts)
        mean = sum(part.rows * part.mean for part in parts) / max(rows, 1)
        steps, place = np.unique(
            np.concatenate([part.steps for part in parts]), return_inverse=True
        )
        counts = np.zeros(len(steps), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([part.counts for part in parts]))
        inside = [part.inside for part in parts if part.inside is not None]
        return cls(
            rows=rows,
            mean=mean,
            variation=sum(part.variation + part.rows * (part.mean - mean) ** 2 for part in parts),
            squares=sum(part.squares for part in parts),
            absolute=sum(part.absolute for part in parts),
            steps=steps,
            counts=counts,
            inside=sum(inside) if inside else None,
        )

    @property
    def size(self) -> int:
        """Count the stored numbers."""
        return 2 * len(self.steps)

    def levels(self) -> dict[str, float]:
        """Give the mean of the labels."""
        return {"label_mean": self.mean}

    def scores(self) -> dict[str, float]:
        """Compute the metrics of steps.model.number_metrics, and the coverage of the interval.

        All are exact except the median error, which is within 0.1 %.
        """
        if not self.rows:
            return {}
        r2 = 1 - self.squares / self.variation if self.variation else float(self.squares == 0)
        found = {
            "r2": r2,
            "mae": self.absolute / self.rows,
            "rmse": math.sqrt(self.squares / self.rows),
            "median_absolute_error": self._median(),
        }
        if self.inside is not None:
            found["interval_coverage"] = self.inside / self.rows
        return found

    def intervals(self) -> dict[str, Interval]:
        """Give 95 % intervals of the means of errors, and of R².

        Fourth powers of the errors come from their histogram, so they are nearly exact; those of
        the labels, which R² also depends on, are taken to be those of a normal distribution.
        """
        scores = self.scores()
        if not scores:
            return {}
        square = self.squares / self.rows
        of_mean = max(0.0, square - scores["mae"] ** 2)
        # In units of their mean: fourth powers of large numbers would be infinite.
        relative = self._middles(self.steps) / (math.sqrt(square) or 1.0)
        error = square * math.sqrt(float(self.counts @ (relative**2 - 1) ** 2)) / self.rows
        spread = self.variation / self.rows
        squares = normal(square, error, low=0.0)
        share = square / spread if spread else 0.0
        of_r2 = math.hypot(error / (spread or 1.0), share * math.sqrt(2 / self.rows))
        return {
            **({"r2": normal(scores["r2"], of_r2, high=1.0)} if spread else {}),
            "mae": normal(scores["mae"], math.sqrt(of_mean / self.rows), low=0.0),
            "rmse": Interval(scores["rmse"], math.sqrt(squares.low), math.sqrt(squares.high)),
        }

    @staticmethod
    def _middles(steps: np.ndarray) -> np.ndarray:
        ends = [(steps + np.uint64(more) << BITS_LEFT_OUT).view(np.float64) for more in (0, 1)]
        # Errors of exactly 0 have their own step.
        return np.where(steps == 0, 0.0, (ends[0] + ends[1]) / 2)

    def _median(self) -> float:
        places = np.array([(self.rows - 1) // 2, self.rows // 2])
        steps = self.steps[np.searchsorted(np.cumsum(self.counts), places, side="right")]
        return float(self._middles(steps).mean())
