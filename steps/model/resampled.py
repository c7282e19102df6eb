"""Rows of two classes drawn again with replacement, within each class.

Scores depend on rows only through their class and their probabilities. Rows alike in these are
counted in one cell, and a resample is a multinomial draw of the counts: the very distribution of
drawing rows, at the cost of the cells. Where most rows have a cell of their own, the rows
themselves are drawn, which is cheaper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from steps.model.levels import Levels, levels

RESAMPLES = 2000
# With many distinct probabilities the rows are many too and the intervals narrow: fewer resamples
# will do, and the time stays in bounds.
FEWEST_RESAMPLES = 200
DRAWS = 4_000_000
CELLS_AT_ONCE = 1_000_000
# What stays in the processor's cache is scored several times as fast.
SCORED_AT_ONCE = 50_000


def number(size: int) -> int:
    """Say how many resamples are drawn of so many cells or rows."""
    return min(RESAMPLES, max(FEWEST_RESAMPLES, DRAWS // size))


def resamples(
    truth: np.ndarray, models: Sequence[np.ndarray], seed: int
) -> Iterator[tuple[Levels, ...]]:
    """Yield blocks of resamples, each counted by the levels of every model's probabilities.

    `truth` is True where a row is positive; the models are their probabilities (rows,).
    """
    values, places = zip(*map(levels, models), strict=True)
    widths = [len(each) for each in values]
    classes = [_Rows([level[rows] for level in places], widths) for rows in (truth, ~truth)]
    cells = sum(len(each.cells[1]) for each in classes)
    are_few = 2 * cells <= len(truth)
    size, at_once = (cells, CELLS_AT_ONCE) if are_few else (len(truth), SCORED_AT_ONCE)
    random, left = np.random.default_rng(seed), number(size)
    scored = max(1, SCORED_AT_ONCE // size)
    while left:
        block = min(left, max(1, at_once // size))
        ups, downs = (
            rows.cells_again(random, block) if are_few else rows.rows_again(random, block)
            for rows in classes
        )
        for start in range(0, block, scored):
            part = slice(start, start + scored)
            yield tuple(
                Levels(of_model, up[part], down[part])
                for of_model, up, down in zip(values, ups, downs, strict=True)
            )
        left -= block


@dataclass(frozen=True)
class _Rows:
    """The rows of one class: the position of each one's level, by model."""

    levels: Sequence[np.ndarray]
    widths: Sequence[int]

    @cached_property
    def cells(self) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The distinct combinations of levels, in rising order, and the rows of each."""
        codes = np.ravel_multi_index(self.levels, self.widths)
        distinct, counts = np.unique(codes, return_counts=True)
        return np.unravel_index(distinct, self.widths), counts

    def cells_again(self, random: np.random.Generator, block: int) -> list[np.ndarray]:
        """Draw how often each cell's rows come; count them by level, (block, levels) of a model."""
        levels, counts = self.cells
        drawn = random.multinomial(counts.sum(), counts / counts.sum(), size=block)
        ones, places = np.ones(len(counts)), np.arange(len(counts))
        return [
            np.asarray(drawn @ csr_matrix((ones, (places, level)), (len(counts), width)))
            for level, width in zip(levels, self.widths, strict=True)
        ]

    def rows_again(self, random: np.random.Generator, block: int) -> list[np.ndarray]:
        """Draw the rows themselves; give what `cells_again` gives."""
        rows = len(self.levels[0])
        drawn = random.integers(rows, size=(block, rows))
        return [
            _counted(level[drawn], width)
            for level, width in zip(self.levels, self.widths, strict=True)
        ]


def _counted(levels: np.ndarray, width: int) -> np.ndarray:
    block = len(levels)
    places = levels + width * np.arange(block)[:, np.newaxis]
    return np.bincount(places.ravel(), minlength=block * width).reshape(block, width).astype(float)
