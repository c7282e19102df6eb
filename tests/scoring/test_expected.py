"""Scores estimated from the model's own probabilities, where the truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from steps.model.reference import miscalibration
from steps.scoring.expected import Expected
from steps.scoring.labelled_binary import BinaryCounts
from steps.scoring.labelled_classes import ClassCounts
from steps.scoring.rows import Predicted

ROWS = 20_000


def odds(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.5 * x[:, 0] - x[:, 1] - 0.5)


def logistic(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


def predicted(probability: np.ndarray, threshold: float = 0.4) -> Predicted:
    output = np.column_stack([1 - probability, probability])
    return Predicted(output, (probability >= threshold).astype(np.intp))


def scored(
    draw: Callable[[np.random.Generator], np.ndarray],
    truth: Callable[[np.ndarray], np.ndarray] = odds,
    seed: int = 0,
) -> tuple[dict[str, float], dict[str, float], BinaryCounts]:
    """Give estimated and true scores of rows with features `draw` and true odds `truth`."""
    random = np.random.default_rng(seed)
    x = draw(random)
    found = predicted(logistic(odds(x)))
    actual = (random.random(len(x)) < logistic(truth(x))).astype(np.intp)
    assert found.classes is not None
    counts = BinaryCounts.count(actual, found.classes, found.output[:, 1])
    expected = Expected.count(found)
    assert expected is not None
    return expected.scores(), counts.scores(), counts


def as_before(random: np.random.Generator) -> np.ndarray:
    return random.normal(size=(ROWS, 2))


def drifted(random: np.random.Generator) -> np.ndarray:
    return random.normal([1.0, 0.5], [0.5, 1.5], size=(ROWS, 2))


@pytest.mark.parametrize("draw", [as_before, drifted])
@pytest.mark.parametrize("seed", range(5))
def test_estimate_is_the_truth_with_and_without_drift(
    draw: Callable[[np.random.Generator], np.ndarray], seed: int
) -> None:
    estimated, true, counts = scored(draw, seed=seed)
    assert estimated.keys() == true.keys()
    for name, interval in counts.intervals().items():
        # The 95 % interval is about two errors; the estimate is within four.
        assert abs(estimated[name] - true[name]) < 4 * interval.error, name


def test_drift_moves_the_scores() -> None:
    """So the two cases above are different ones."""
    before, after = scored(as_before)[0], scored(drifted)[0]
    assert abs(before["recall"] - after["recall"]) > 0.05


def test_a_changed_relation_is_not_seen() -> None:
    """As the page says: only labels show it."""
    estimated, true, _ = scored(as_before, lambda x: -odds(x))
    assert estimated["roc_auc"] > 0.8
    assert true["roc_auc"] < 0.2


def test_estimate_of_several_classes() -> None:
    random = np.random.default_rng(1)
    weights = random.dirichlet([1.0, 0.5, 0.5], size=ROWS)
    actual = (weights.cumsum(axis=1) < random.random((ROWS, 1))).sum(axis=1)
    classes = weights.argmax(axis=1)
    expected = Expected.count(Predicted(weights, classes))
    assert expected is not None
    true = ClassCounts.count(actual, classes, weights)
    assert expected.mean is None
    assert expected.scores()["accuracy"] == pytest.approx(true.scores()["accuracy"], abs=0.015)


def test_parts_add_up() -> None:
    probability = np.random.default_rng(2).random(1001)
    whole = Expected.count(predicted(probability))
    parts = [Expected.count(predicted(each)) for each in np.array_split(probability, 7)]
    summed = parts[0]
    for part in parts[1:]:
        assert summed is not None
        assert part is not None
        summed = summed + part
    assert whole is not None
    assert summed is not None
    assert summed.mean == pytest.approx(probability.mean())
    assert summed.scores() == pytest.approx(whole.scores())


@pytest.mark.parametrize("probability", [np.array([]), np.zeros(5), np.ones(5)])
def test_degenerate_rows(probability: np.ndarray) -> None:
    expected = Expected.count(predicted(probability))
    assert expected is not None
    assert "roc_auc" not in expected.scores()


def test_numbers_have_no_estimate() -> None:
    assert Expected.count(Predicted(np.ones(3), None)) is None


def test_calibrated_probabilities_are_found_so() -> None:
    random = np.random.default_rng(3)
    refused = 0
    for _ in range(200):
        probability = logistic(random.normal(size=192))
        refused += bool(miscalibration(random.random(192) < probability, probability))
    assert refused < 25


@pytest.mark.parametrize("rows", [1_000, 100_000])
def test_overconfident_probabilities_are_found_out(rows: int) -> None:
    random = np.random.default_rng(4)
    probability = logistic(random.normal(size=rows))
    claimed = logistic(3 * np.log(probability / (1 - probability)))
    assert "off by 0.1" in miscalibration(random.random(rows) < probability, claimed)


def test_a_gap_that_moves_nothing_is_no_reason() -> None:
    random = np.random.default_rng(5)
    probability = logistic(random.normal(size=1_000_000))
    assert not miscalibration(random.random(1_000_000) < probability, probability + 0.01)


def test_few_rows_cannot_tell() -> None:
    assert "too few" in miscalibration(np.ones(99, dtype=bool), np.ones(99))
