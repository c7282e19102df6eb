"""A value with its 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.low > 0 or self.high < 0

    @property
    def error(self) -> float:
        """The standard error that a normal interval of this width has."""
        return (self.high - self.low) / (2 * NORMAL_95)


def normal(value: float, error: float, low: float = -math.inf, high: float = math.inf) -> Interval:
    """Make the normal interval of a standard error, within the limits of the value."""
    ends = value - NORMAL_95 * error, value + NORMAL_95 * error
    return Interval(value, max(low, ends[0]), min(high, ends[1]))


def wilson(share: float, rows: float) -> Interval:
    """Make the interval of a share of independent rows (Wilson 1927); all of [0, 1] of no rows."""
    if not rows:
        return Interval(share, 0.0, 1.0)
    squared = NORMAL_95**2
    middle = (share + squared / (2 * rows)) / (1 + squared / rows)
    inside = share * (1 - share) / rows + squared / (4 * rows**2)
    half = NORMAL_95 / (1 + squared / rows) * math.sqrt(inside)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))
