"""Bins of a feature's training values, and counts of other rows in these bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

REST, MISSING = "all others", "missing"


@dataclass(frozen=True)
class NumberBins:
    """Training values of one numeric feature, as `data/profile.json` counts them.

    A bin is (previous edge, edge].
    """

    name: str
    edges: np.ndarray
    counts: np.ndarray
    missing: float
    low: float
    high: float
    zero_is_missing: bool

    @classmethod
    def of(cls, name: str, feature: Mapping[str, Any], zero_is_missing: bool) -> NumberBins:
        """Read the bins of a feature out of a profile."""
        return cls(
            name=name,
            edges=np.array(feature["edges"], dtype=np.float64),
            counts=np.array(feature["counts"], dtype=np.int64),
            missing=float(feature["missing"]),
            low=float(feature["min"]),
            high=float(feature["max"]),
            zero_is_missing=zero_is_missing,
        )

    @property
    def cuts(self) -> tuple[str, ...]:
        """The edges as text."""
        return tuple(f"{edge:.4g}" for edge in self.edges)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each bin is called."""
        cuts = self.cuts
        if not cuts:
            return ("any value",)
        between = (f"over {low} to {high}" for low, high in pairwise(cuts))
        return (f"up to {cuts[0]}", *between, f"over {cuts[-1]}")

    def count(self, values: Any) -> np.ndarray:
        """Count rows: missing, below the training range, above it, then in each bin."""
        # Comparing and counting per edge is several times faster than a search per value, and
        # never counts a missing value: every comparison with NaN is false.
        over = [int(np.count_nonzero(values > edge)) for edge in self.edges]
        present = len(values) - int(np.count_nonzero(np.isnan(values)))
        below = int(np.count_nonzero(values < self.low))
        above = int(np.count_nonzero(values > self.high))
        in_bins = -np.diff([present, *over, 0])
        zeros = len(values) - int(np.count_nonzero(values)) if self.zero_is_missing else 0
        if zeros:
            # A bin is (previous edge, edge], so all zeros fell into this one.
            in_bins[np.searchsorted(self.edges, 0.0)] -= zeros
            below -= zeros if self.low > 0 else 0
            above -= zeros if self.high < 0 else 0
        missing = len(values) - present + zeros
        return np.array([missing, below, above, *in_bins], dtype=np.int64)


@dataclass(frozen=True)
class CategoryBins:
    """The most frequent training texts of one category; the last bin holds all others."""

    name: str
    texts: tuple[str, ...]
    counts: np.ndarray
    missing: float

    @classmethod
    def of(cls, name: str, feature: Mapping[str, Any]) -> CategoryBins:
        """Read the bins of a feature out of a profile."""
        values = feature["values"]
        counts = np.array([*values.values(), feature["rest"]], dtype=np.int64)
        return cls(name, tuple(values), counts, float(feature["missing"]))

    @property
    def labels(self) -> tuple[str, ...]:
        """What each bin is called."""
        return (*self.texts, REST)

    def count(self, values: Any) -> np.ndarray:
        """Count rows: missing, two zeros (a category has no range), then in each bin."""
        places = pc.index_in(values.dictionary, value_set=pa.array(self.texts, pa.string()))
        bins = pc.fill_null(places, len(self.texts)).to_numpy()
        rows = np.bincount(values.indices.drop_null().to_numpy(), minlength=len(bins))
        in_bins = np.zeros(len(self.counts), dtype=np.int64)
        np.add.at(in_bins, bins, rows)
        return np.array([values.null_count, 0, 0, *in_bins], dtype=np.int64)


Bins: TypeAlias = NumberBins | CategoryBins
