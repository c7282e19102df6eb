"""The choice of a threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from steps.model.evaluation import Trained, evaluate
from steps.model.metrics import decide
from steps.model.threshold import choose_threshold, curves, out_of_fold, parse_threshold
from tests.model.test_bootstrap import rows


@pytest.mark.parametrize(("text", "read"), [("0.5", 0.5), ("0.25", 0.25), ("f1", "f1")])
def test_rule(text: str, read: float | str) -> None:
    assert parse_threshold(text) == read


@pytest.mark.parametrize("text", ["0", "1", "-1", "nan", "F2", "", "0,5"])
def test_rule_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="a number between 0 and 1, or f1 or youden"):
        parse_threshold(text)


def test_curves_are_scikit_learns_scores() -> None:
    truth, probability = rows(60, seed=1)
    found = curves(truth, probability)
    for position in range(0, len(found.thresholds), 5):
        decided = decide(probability, found.thresholds[position])
        assert found.f1[position] == pytest.approx(f1_score(truth, decided, zero_division=0))
        assert found.recall[position] == pytest.approx(recall_score(truth, decided))
        precision = precision_score(truth, decided, zero_division=0)
        assert found.precision[position] == pytest.approx(precision)
        false_alarms = decided[~truth].mean()
        assert found.youden[position] == pytest.approx(found.recall[position] - false_alarms)


def test_out_of_fold_predictions_are_scikit_learns(trained: Trained) -> None:
    rows = trained.train[list(trained.schema.features)]
    labels = trained.train[trained.schema.target].to_numpy()
    folds = list(StratifiedKFold(5).split(rows, labels))
    expected = cross_val_predict(trained.estimator, rows, labels, cv=5, method="predict_proba")
    predicted = out_of_fold(trained.task, trained.estimator, rows, labels, folds)
    assert np.array_equal(predicted, expected[:, 1])


def test_choice_is_the_best_and_of_equals_the_nearest_to_one_half() -> None:
    truth = np.array([False, False, True, True])
    found = curves(truth, np.array([0.1, 0.2, 0.6, 0.9]))
    assert choose_threshold("youden", found) == choose_threshold("f1", found) == pytest.approx(0.4)
    assert choose_threshold(0.3, found) == 0.3
    # From 0.2 on all decisions are equally good or bad: every threshold below gives F1 2/3.
    flat = curves(np.array([True, False]), np.array([0.8, 0.8]))
    assert choose_threshold("f1", flat) == pytest.approx(0.4)


@pytest.mark.parametrize("by", ["f1", "youden"])
def test_held_out_rows_have_no_part_in_the_choice(trained: Trained, by: str) -> None:
    shuffled = trained.test.copy()
    target = trained.schema.target
    shuffled[target] = np.random.default_rng(0).permutation(shuffled[target].to_numpy())
    chosen = evaluate(trained, by, details=False)
    assert chosen.threshold != 0.5
    assert chosen.model.threshold == chosen.threshold
    assert evaluate(replace(trained, test=shuffled), by, details=False).threshold == (
        chosen.threshold
    )
