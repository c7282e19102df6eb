"""Intervals of large tables: exact values, and limits near those of the exact bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from steps.model import bootstrap, bounded
from steps.model.metrics import scores
from steps.model.task import BinaryTask


def rows(count: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make rows of two classes, and the probabilities of two models."""
    random = np.random.default_rng(0)
    truth = random.random(count) < share
    common = random.normal(size=count)
    first = 1 / (1 + np.exp(1.5 - 1.2 * truth - common))
    second = 1 / (1 + np.exp(1.5 - 0.9 * truth - 0.8 * common - 0.6 * random.normal(size=count)))
    return truth, first, second


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.35, 0.02])
def test_near_the_exact_intervals(share: float) -> None:
    """Values are equal; limits are off by at most a quarter of the interval's width."""
    truth, ours, theirs = rows(20_000, share)
    exact = bootstrap.intervals(truth, ours, 0.4, 1)
    shortcut = bounded.intervals(truth, ours, 0.4, 1)
    for metric, value in scores(truth, ours, 0.4).items():
        assert shortcut[metric].value == pytest.approx(value, abs=1e-12)
        width = exact[metric].high - exact[metric].low
        assert shortcut[metric].low == pytest.approx(exact[metric].low, abs=width / 4), metric
        assert shortcut[metric].high == pytest.approx(exact[metric].high, abs=width / 4), metric
    gain = bootstrap.difference("roc_auc", truth, (ours, 0.5), (theirs, 0.5), 1)
    bound = bounded.gain(truth, ours, theirs)
    width = gain.high - gain.low
    assert bound.value == pytest.approx(gain.value, abs=1e-12)
    assert bound.low == pytest.approx(gain.low, abs=width / 4)
    assert bound.high == pytest.approx(gain.high, abs=width / 4)


def test_the_size_of_the_table_decides_which_way_is_taken() -> None:
    assert (bounded.is_exact(49_999), bounded.is_exact(50_000)) == (True, False)
    truth, ours, theirs = rows(1_000, 0.3)
    task, models = BinaryTask((False, True), 0), ((ours, 0.5), (theirs, 0.5))
    for exact, way in ((True, bootstrap.intervals), (False, bounded.intervals)):
        assert task.intervals(truth, ours, 0.5, 1, exact=exact) == way(truth, ours, 0.5, 1)
    gain = task.difference("roc_auc", truth, *models, 1, exact=False)
    assert gain == bounded.gain(truth, ours, theirs)
    assert task.difference("roc_auc", truth, *models, 1, exact=True) != gain


def test_models_that_rank_alike_have_no_gain() -> None:
    truth, ours, _ = rows(60_000, 0.3)
    gain = bounded.gain(truth, ours, ours**2)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)
