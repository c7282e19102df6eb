"""Intervals of scores, and of differences."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.metrics import roc_auc_score

from steps.model.bootstrap import Interval, difference, intervals
from steps.model.metrics import METRICS, decide
from steps.model.resampled import number

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), max_size=40
)


def rows(count: int, seed: int, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.random(count) < 0.35
    return truth, np.clip(random.normal(0.35 + 0.2 * truth, 0.2), 0, 1).round(digits)


@given(ROWS, st.sampled_from([0.25, 0.5, 0.6]))
def test_values_are_scikit_learns_with_ties_too(
    found: list[tuple[bool, float]], threshold: float
) -> None:
    truth = np.array([True, False, *(row[0] for row in found)])
    probability = np.array([0.5, 0.25, *(row[1] for row in found)])
    decided = decide(probability, threshold)
    expected = {
        "roc_auc": metrics.roc_auc_score(truth, probability),
        "pr_auc": metrics.average_precision_score(truth, probability),
        "precision": metrics.precision_score(truth, decided, zero_division=0.0),
        "recall": metrics.recall_score(truth, decided),
        "f1": metrics.f1_score(truth, decided),
        "accuracy": metrics.accuracy_score(truth, decided),
        "brier": metrics.brier_score_loss(truth, probability),
        "log_loss": metrics.log_loss(truth, probability),
    }
    ours = intervals(truth, probability, threshold, seed=0)
    assert {name: ours[name].value for name in METRICS} == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("digits", [1, 12])
def test_intervals_are_those_of_drawing_rows_within_each_class(digits: int) -> None:
    truth, probability = rows(150, seed=1, digits=digits)
    random = np.random.default_rng(0)
    positive, negative = np.flatnonzero(truth), np.flatnonzero(~truth)
    drawn = []
    for _ in range(800):
        chosen = [random.choice(members, len(members)) for members in (positive, negative)]
        again = np.concatenate(chosen)
        loss = np.mean((probability[again] - truth[again]) ** 2)
        drawn.append((roc_auc_score(truth[again], probability[again]), loss))
    ours = intervals(truth, probability, 0.4, seed=0)
    for name, values in zip(("roc_auc", "brier"), np.transpose(drawn), strict=True):
        low, high = np.quantile(values, [0.025, 0.975])
        assert ours[name].low == pytest.approx(low, abs=0.15 * (high - low)), name
        assert ours[name].high == pytest.approx(high, abs=0.15 * (high - low)), name


def test_same_seed_same_interval() -> None:
    truth, probability = rows(100, seed=2)
    first = intervals(truth, probability, 0.5, seed=7)
    assert first == intervals(truth, probability, 0.5, seed=7)
    assert first != intervals(truth, probability, 0.5, seed=8)


def test_a_model_does_not_differ_from_itself() -> None:
    truth, probability = rows(100, seed=3)
    model = (probability, 0.5)
    assert difference("roc_auc", truth, model, model, seed=0) == Interval(0, 0, 0)


@pytest.mark.parametrize("metric", ["roc_auc", "pr_auc"])
def test_models_that_rank_alike_do_not_differ(metric: str) -> None:
    truth, probability = rows(300, seed=8)
    found = difference(metric, truth, (probability, 0.5), (probability**3 / 7, 0.5), seed=0)
    assert found == Interval(0, 0, 0)


def test_the_number_of_resamples_is_bounded() -> None:
    assert [number(rows) for rows in (192, 10_000, 1_000_000)] == [2_000, 400, 200]


@pytest.mark.parametrize("metric", METRICS)
def test_paired_difference_is_narrower_than_the_scores_it_is_of(metric: str) -> None:
    truth, probability = rows(200, seed=4)
    near = np.clip(probability + np.random.default_rng(0).normal(0, 0.02, 200), 0, 1)
    found = difference(metric, truth, (near, 0.4), (probability, 0.4), seed=0)
    alone = intervals(truth, probability, 0.4, seed=0)[metric]
    assert found.low <= found.value <= found.high
    assert found.high - found.low < (alone.high - alone.low)


def test_a_clear_difference_excludes_zero_and_a_vague_one_does_not() -> None:
    truth, probability = rows(200, seed=5)
    guess = np.random.default_rng(1).random(200)
    assert difference("roc_auc", truth, (probability, 0.5), (guess, 0.5), 0).low > 0
    assert difference("roc_auc", truth, (guess, 0.5), (probability, 0.5), 0).high < 0
    assert not difference("roc_auc", truth, (probability, 0.5), (probability**2, 0.5), 0).low > 0


@pytest.mark.slow
def test_many_distinct_probabilities_take_bounded_time() -> None:
    truth, probability = rows(30_000, seed=6, digits=12)
    start = time.process_time()
    found = intervals(truth, probability, 0.5, seed=0)["roc_auc"]
    assert found.low < found.value < found.high
    assert time.process_time() - start < 2
