"""Intervals of large tables: exact values, and limits near those of the exact bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from steps.model import bootstrap, bounded
from steps.model.metrics import scores


def rows(count: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make rows of two classes, and the probabilities of two models."""
    random = np.random.default_rng(0)
    truth = random.random(count) < share
    common = random.normal(size=count)
    first = 1 / (1 + np.exp(1.5 - 1.2 * truth - common))
    second = 1 / (1 + np.exp(1.5 - 0.9 * truth - 0.8 * common - 0.6 * random.normal(size=count)))
    return truth, first, second


def test_exact_up_to_50_000_rows() -> None:
    truth, ours, _ = rows(3_000, 0.3)
    exact = bootstrap.intervals(truth, ours, 0.5, 1)
    assert exact["roc_auc"] != bounded.intervals(truth, ours, 0.5, 1)["roc_auc"]


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


def test_a_large_table_takes_the_shortcut() -> None:
    truth, ours, theirs = rows(60_000, 0.3)
    assert bootstrap.intervals(truth, ours, 0.5, 1) == bounded.intervals(truth, ours, 0.5, 1)
    gain = bootstrap.difference("roc_auc", truth, (ours, 0.5), (theirs, 0.5), 1)
    assert gain == bounded.gain(truth, ours, theirs)


def test_models_that_rank_alike_have_no_gain() -> None:
    truth, ours, _ = rows(60_000, 0.3)
    gain = bounded.gain(truth, ours, ours**2)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)
