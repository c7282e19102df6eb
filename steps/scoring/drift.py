"""How far the scored rows are from the training rows: counted chunk by chunk in one pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steps.data.schema import Schema


@dataclass(frozen=True)
class Bins:
    """The training rows' values of one feature, as `data/profile.json` has them."""

    name: str
    edges: np.ndarray
    counts: np.ndarray
    missing: float
    low: float
    high: float
    zero_is_missing: bool


@dataclass(frozen=True)
class Drift:
    """One feature's training and scored rows, compared.

    `trained` and `scored` count the rows per bin and, as the last one, those without a value, if
    there are any. `psi` is their population stability index; `by_chance` is what it stays under
    in 95 of 100 tables of this size that have not drifted.
    """

    bins: Bins
    trained: np.ndarray
    scored: np.ndarray
    missing: float
    below: float
    above: float
    psi: float
    by_chance: float

    def is_over(self, threshold: float) -> bool:
        """Tell drift from what few rows show by chance."""
        return self.psi > threshold and self.psi > self.by_chance


def read_bins(profile: Mapping[str, Any], schema: Schema) -> tuple[Bins, ...]:
    """Read the bins of the features out of a profile."""
    return tuple(
        Bins(
            name=name,
            edges=np.array(feature["edges"], dtype=np.float64),
            counts=np.array(feature["counts"], dtype=np.int64),
            missing=float(feature["missing"]),
            low=float(feature["min"]),
            high=float(feature["max"]),
            zero_is_missing=name in schema.zero_as_missing,
        )
        for name in schema.features
        for feature in [profile["features"][name]]
    )


def count(features: list[np.ndarray], bins: tuple[Bins, ...]) -> list[np.ndarray]:
    """Count the rows of a chunk: per feature the missing, those below and above, then each bin.

    Counts of chunks add up.
    """
    return [_count(values, each) for values, each in zip(features, bins, strict=True)]


def _count(values: np.ndarray, bins: Bins) -> np.ndarray:
    # Comparing and counting per edge is several times faster than a search per value, and a
    # missing value (NaN) is never counted: it is greater than nothing.
    over = [int(np.count_nonzero(values > edge)) for edge in bins.edges]
    present = len(values) - int(np.count_nonzero(np.isnan(values)))
    below = int(np.count_nonzero(values < bins.low))
    above = int(np.count_nonzero(values > bins.high))
    in_bins = -np.diff([present, *over, 0])
    zeros = len(values) - int(np.count_nonzero(values)) if bins.zero_is_missing else 0
    if zeros:
        # A bin is (edge before, edge]: zeros all fell into this one.
        in_bins[np.searchsorted(bins.edges, 0.0)] -= zeros
        below -= zeros if bins.low > 0 else 0
        above -= zeros if bins.high < 0 else 0
    missing = len(values) - present + zeros
    return np.array([missing, below, above, *in_bins], dtype=np.int64)


def compare(counted: list[np.ndarray], bins: tuple[Bins, ...]) -> tuple[Drift, ...]:
    """Compare the counts of all chunks with the training rows'."""
    return tuple(_compare(counts, each) for counts, each in zip(counted, bins, strict=True))


def _compare(counts: np.ndarray, bins: Bins) -> Drift:
    missing, below, above = (int(count) for count in counts[:3])
    trained, scored = bins.counts, counts[3:]
    present = int(scored.sum())
    # A column that loses its values has drifted, whatever those left look like.
    trained_missing = round(bins.missing / (1 - bins.missing) * int(bins.counts.sum()))
    if missing or trained_missing:
        trained, scored = np.append(trained, trained_missing), np.append(scored, missing)
    return Drift(
        bins=bins,
        trained=trained,
        scored=scored,
        missing=missing / (present + missing),
        below=below / max(present, 1),
        above=above / max(present, 1),
        psi=stability_index(trained, scored),
        by_chance=_by_chance(len(scored), int(trained.sum()), int(scored.sum())),
    )


def stability_index(expected: np.ndarray, found: np.ndarray) -> float:
    """Compute the population stability index of two histograms over the same bins.

    Half a row is added to each bin, so that an empty one weighs by how many rows there are
    instead of infinitely.
    """
    shares = [(counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (expected, found)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def _by_chance(bins: int, expected: int, found: int) -> float:
    """Give the 95 % point of the index without drift.

    Then it is about chi-square with a degree less than bins, times (1/n + 1/m): Yurdakul 2018,
    "Statistical Properties of Population Stability Index". The quantile is Wilson and
    Hilferty's, exact to a percent.
    """
    degrees = bins - 1
    if degrees < 1:
        return math.inf
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + 1.6449 * math.sqrt(spread)) ** 3
    return quantile * (1 / expected + 1 / found)
