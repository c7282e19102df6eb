"""Intervals of scores by resampled rows, and prediction intervals."""

from __future__ import annotations

import time

import numpy as np
import pytest

from steps.model import class_intervals, class_metrics, number_metrics, row_bootstrap
from steps.model.conformal import Conformal, conformal


def numbers(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.normal(size=rows)
    return truth, truth + random.normal(size=rows)


def test_intervals_are_those_of_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predicted = numbers(2_000)
    error = np.abs(truth - predicted)
    half = 1.96 * error.std() / np.sqrt(len(error))

    def mae(seed: int) -> tuple[float, float]:
        found = row_bootstrap.intervals(number_metrics.scores, truth, predicted, seed)["mae"]
        assert found.value == error.mean()
        return found.low, found.high

    expected = pytest.approx((error.mean() - half, error.mean() + half), abs=half / 8)
    assert mae(0) == expected
    assert mae(0) == mae(0) != mae(1)
    # Fewer rows in a resample: the interval is as wide as before.
    monkeypatch.setattr(row_bootstrap, "ROWS", 200 * 100)
    assert mae(0) == pytest.approx((error.mean() - half, error.mean() + half), abs=half / 3)


def classes(rows: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make classes of unequal size, and the probabilities of two models."""
    random = np.random.default_rng(seed)
    truth = np.sort(random.integers(0, count, (rows, 2)).min(axis=1))
    models = []
    for signal in (1.0, 0.7):
        weights = random.random((rows, count)) + signal * np.eye(count)[truth]
        models.append(weights / weights.sum(axis=1, keepdims=True))
    return truth, models[0], models[1]


def test_intervals_of_classes_are_those_of_resampled_rows() -> None:
    truth, ours, theirs = classes(400, 4)
    random, members = np.random.default_rng(1), [np.flatnonzero(truth == c) for c in range(4)]
    drawn = []
    for _ in range(1_000):
        rows = np.concatenate([random.choice(each, len(each)) for each in members])
        both = (class_metrics.scores(truth[rows], each[rows]) for each in (ours, theirs))
        drawn.append([list(each.values()) for each in both])
    resampled = np.array(drawn)
    values = class_metrics.scores(truth, ours)
    found = class_intervals.intervals(truth, ours, 0)
    assert {name: each.value for name, each in found.items()} == values
    for place, name in enumerate(values):
        of_ours, of_theirs = resampled[:, 0, place], resampled[:, 1, place]
        gap = class_intervals.difference(name, truth, ours, theirs, 0)
        assert gap.value == values[name] - class_metrics.scores(truth, theirs)[name]
        for interval, scores in ((found[name], of_ours), (gap, of_ours - of_theirs)):
            expected = np.quantile(scores, [0.025, 0.975])
            width = expected[1] - expected[0]
            assert [interval.low, interval.high] == pytest.approx(expected, abs=0.15 * width)


def test_models_of_classes_that_agree_do_not_differ() -> None:
    truth, ours, _ = classes(200, 3)
    for name in class_metrics.METRICS:
        same = class_intervals.difference(name, truth, ours, ours.copy(), 0)
        assert (same.value, same.low, same.high) == (0, 0, 0)
    perfect = class_intervals.intervals(truth, np.eye(3)[truth], 0)
    assert (perfect["roc_auc"].low, perfect["roc_auc"].high) == pytest.approx((1, 1))
    assert perfect["log_loss"].low >= 0


def test_a_class_with_one_row_or_none_has_no_part_in_the_width() -> None:
    truth, ours, _ = classes(200, 3)
    known = (truth < 2) | (np.arange(200) == np.flatnonzero(truth == 2)[0])
    for rows in (known, truth < 2):
        found = class_intervals.intervals(truth[rows], ours[rows], 0)
        assert all(each.low <= each.value <= each.high for each in found.values())


def test_the_time_is_bounded_for_many_rows_and_classes() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 50, 20_000)
    probability = random.random((20_000, 50))
    started = time.process_time()
    found = class_intervals.intervals(truth, probability, 0)
    assert time.process_time() - started < 10
    assert found["roc_auc"].low < 0.5 < found["roc_auc"].high
    assert found["roc_auc"].high - found["roc_auc"].low < 0.02


def test_a_difference_is_drawn_on_the_same_rows() -> None:
    truth, predicted = numbers(300)

    def score(actual: np.ndarray, given: np.ndarray) -> float:
        return number_metrics.scores(actual, given)["r2"]

    same = row_bootstrap.difference(score, truth, predicted, predicted, 0)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = (truth + predicted) / 2
    found = row_bootstrap.difference(score, truth, better, predicted, 0)
    assert found.low > 0


def test_half_widths_take_the_new_row_into_account() -> None:
    found = conformal(np.arange(1.0, 10.0), np.zeros(9))
    # Nine rows: level 0.9 takes the ninth of ten places; 0.95 would take more rows.
    assert found.half_width(0.9) == 9
    assert found.half_width(0.5) == 5
    assert found.half_width(0.95) is None
    assert max(found.levels) == 0.9
    assert conformal(np.zeros(0), np.zeros(0)).levels == ()
    assert Conformal.from_json(found.to_json()) == found
    # Between two levels the wider one.
    assert found.half_width(0.495) == found.half_width(0.5)


def test_new_values_are_in_their_interval_as_often_as_promised() -> None:
    inside = []
    for seed in range(300):
        truth, predicted = numbers(60, seed)
        width = conformal(truth[:-1], predicted[:-1]).half_width(0.8)
        assert width is not None
        inside.append(abs(truth[-1] - predicted[-1]) <= width)
    assert np.mean(inside) == pytest.approx(0.8, abs=0.06)
