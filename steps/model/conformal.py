"""Compute prediction intervals of a regression from the errors on unseen rows.

The errors are those of the training rows, each predicted by a model fitted without its fold
(cross conformal prediction: Vovk 2015; as CV+ in Barber, Candès, Ramdas and Tibshirani 2021). The
method assumes no distribution, only that new rows come from the same source as the training rows.
An interval of level a = 0.9 then holds about 0.9 of the new values. For intervals around the folds'
models, the proven share is at least 2a - 1, up to sqrt(2 / rows). The intervals here are around the
model fitted on all rows, so this holds as far as that model predicts like those of the folds.
`test_interval_coverage` measures it: the share of the held-out rows within their interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steps.base.errors import StepError

LEVELS = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999)
# The level whose coverage of the held-out rows is logged.
MEASURED = 0.9


@dataclass(frozen=True)
class Conformal:
    """Half widths of intervals by level, learnt from a number of `rows`.

    Levels that need more rows are left out: 0.99 takes 99.
    """

    rows: int
    levels: tuple[float, ...]
    quantiles: tuple[float, ...]

    def half_width(self, level: float) -> float | None:
        """Return the half width of the lowest level that is at least `level`, if there is one."""
        pairs = zip(self.levels, self.quantiles, strict=True)
        return next((width for least, width in pairs if least >= level), None)

    def coverage(self, truth: np.ndarray, predicted: np.ndarray) -> float | None:
        """Measure the share of rows within their interval of level 0.9."""
        width = self.half_width(MEASURED)
        return None if width is None else float((np.abs(truth - predicted) <= width).mean())

    def to_json(self) -> dict[str, Any]:
        """Return the content for a model's metadata."""
        return {"rows": self.rows, "levels": list(self.levels), "quantiles": list(self.quantiles)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Conformal:
        """Read the output of `to_json`."""
        return cls(int(content["rows"]), tuple(content["levels"]), tuple(content["quantiles"]))


def conformal(truth: np.ndarray, out_of_fold: np.ndarray) -> Conformal:
    """Learn the half widths from predictions of rows by models that had not seen them.

    Level a takes the ceil((rows + 1) a)-th smallest distance: the extra row is the new one, which
    is equally likely to take any place among the others.
    """
    distances = np.sort(np.abs(truth - out_of_fold))
    rows = len(distances)
    # Rounding makes 0.9 x 10 exactly 9, whatever the last bit of the product.
    ranks = {level: math.ceil(round((rows + 1) * level, 9)) for level in LEVELS}
    reached = {level: rank for level, rank in ranks.items() if rank <= rows}
    quantiles = tuple(float(distances[rank - 1]) for rank in reached.values())
    return Conformal(rows, tuple(reached), quantiles)


def half_width(level: float | None, metadata: Mapping[str, Any]) -> float | None:
    """Look up half the interval's width, which training stored with the model; None for no level.

    Raises StepError if training has not measured this level.
    """
    if level is None:
        return None
    if "conformal" not in metadata:
        raise StepError(
            "parameter interval: expected a model with measured intervals, found one without; "
            "train it again"
        )
    learnt = Conformal.from_json(metadata["conformal"])
    if (width := learnt.half_width(level)) is None:
        raise StepError(
            f"parameter interval: expected at most {max(learnt.levels, default=0):g}, as "
            f"{learnt.rows:,} training rows allow no more, found {level:g}"
        )
    return width
