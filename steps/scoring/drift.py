"""How far the scored rows have drifted from the training rows, counted chunk by chunk in one pass.

On a table that has not drifted, the chance of any false alarm is at most `FALSE_ALARMS`, however
many features the table has: see `Drift.limit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc, xlogy

from steps.scoring.bins import MISSING, Bins, CategoryBins, NumberBins

if TYPE_CHECKING:
    from steps.data.schema import Schema
    from steps.scoring.matrix import Feature

FALSE_ALARMS = 0.05
# Where a bin expects only a few rows, the statistic's tail is up to four times as heavy as its
# approximation. A simulation showed this, and the tests repeat it.
CAUTION = 4
# Category values with fewer expected rows than this are counted together.
FEWEST_ROWS = 5
# A column of which the training rows had nothing has no counts that could be multiplied.
MOST_MISSING = 1 - 1e-9


@dataclass(frozen=True)
class Drift:
    """One feature's training and scored rows, compared.

    `trained` and `scored` count the rows per bin of `labels`. `psi` is their population stability
    index. `chance` is the probability of counts that differ this much although nothing has
    drifted; below `limit` it counts as drift. With this limit for each feature, a table that has
    not drifted raises no alarm at all in 95 of 100 cases (Bonferroni correction, and `CAUTION`).
    """

    bins: Bins
    labels: tuple[str, ...]
    trained: np.ndarray
    scored: np.ndarray
    missing: float
    below: float
    above: float
    psi: float
    chance: float
    limit: float

    @property
    def name(self) -> str:
        """Name of the feature."""
        return self.bins.name

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the counts differ more than chance explains."""
        return self.chance < self.limit

    def is_over(self, threshold: float) -> bool:
        """Tell drift over a threshold from chance differences of few rows."""
        return self.psi > threshold and self.is_beyond_chance


def read_bins(profile: Mapping[str, Any], schema: Schema) -> tuple[Bins, ...]:
    """Read the bins of the features out of a profile."""
    features = profile["features"]
    return tuple(
        CategoryBins.of(name, features[name])
        if name in schema.categories
        else NumberBins.of(name, features[name], name in schema.zero_as_missing)
        for name in schema.features
    )


def count(features: Sequence[Feature], bins: Sequence[Bins]) -> list[np.ndarray]:
    """Count a chunk's rows per feature: missing, below and above the range, then each bin.

    The counts of several chunks can be added up.
    """
    return [each.count(values) for values, each in zip(features, bins, strict=True)]


def compare(counted: Sequence[np.ndarray], bins: Sequence[Bins]) -> tuple[Drift, ...]:
    """Compare the counts of all chunks with those of the training rows."""
    limit = FALSE_ALARMS / CAUTION / max(len(bins), 1)
    return tuple(_compare(counts, each, limit) for counts, each in zip(counted, bins, strict=True))


def _compare(counts: np.ndarray, bins: Bins, limit: float) -> Drift:
    missing, below, above = (int(count) for count in counts[:3])
    labels, trained, scored = bins.labels, bins.counts, counts[3:]
    present = int(scored.sum())
    if isinstance(bins, CategoryBins):
        labels, trained, scored = _join_rare(labels, trained, scored)
    # A column that loses values has drifted, whatever the remaining ones look like.
    share = min(bins.missing, MOST_MISSING)
    trained_missing = round(share / (1 - share) * int(bins.counts.sum()))
    if missing or trained_missing:
        labels = (*labels, MISSING)
        trained, scored = np.append(trained, trained_missing), np.append(scored, missing)
    return Drift(
        bins=bins,
        labels=labels,
        trained=trained,
        scored=scored,
        missing=missing / (present + missing),
        below=below / max(present, 1),
        above=above / max(present, 1),
        psi=stability_index(trained, scored),
        chance=chance(trained, scored),
        limit=limit,
    )


def _join_rare(
    labels: tuple[str, ...], trained: np.ndarray, scored: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Merge rare values into the last bin, which holds all other and unseen values.

    Only the training rows decide what is rare, because the scored rows are under test.
    """
    *_, rest = range(len(trained))
    smaller = min(1.0, int(scored.sum()) / max(int(trained.sum()), 1))
    frequent = trained * smaller >= FEWEST_ROWS
    frequent[rest] = False
    rare = ~frequent
    joined = [np.append(each[frequent], each[rare].sum()) for each in (trained, scored)]
    names = [label for label, own in zip(labels, frequent, strict=True) if own]
    if not joined[0][-1] and not joined[1][-1]:
        return tuple(names), joined[0][:-1], joined[1][:-1]
    return (*names, labels[rest]), joined[0], joined[1]


def stability_index(expected: np.ndarray, found: np.ndarray) -> float:
    """Compute the population stability index of two histograms over the same bins.

    Half a row is added to each bin, so that the weight of an empty bin depends on the number of
    rows instead of being infinite.
    """
    shares = [(counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (expected, found)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def chance(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the probability that two histograms differ this much by chance alone.

    This is the G-test of homogeneity with Williams' correction (Sokal and Rohlf 1995, "Biometry",
    17.4). The index itself has no such limit: where a bin is empty by chance, the index grows
    much faster than such a case becomes rare.
    """
    tables = np.stack([expected, found]).astype(float)
    columns, sizes = tables.sum(axis=0), tables.sum(axis=1)
    columns, tables = columns[columns > 0], tables[:, columns > 0]
    degrees, rows = len(columns) - 1, sizes.sum()
    if degrees < 1 or not sizes.all():
        return 1.0
    statistic = 2 * float(np.sum(xlogy(tables, tables * rows / np.outer(sizes, columns))))
    correction = 1 + (rows * np.sum(1 / columns) - 1) * (np.sum(rows / sizes) - 1) / (
        6 * rows * degrees
    )
    return float(chdtrc(degrees, statistic / correction))
