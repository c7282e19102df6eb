"""Scores of probabilities and of the decisions at a threshold."""

from __future__ import annotations

import numpy as np
import pytest

from steps.model.evaluation import Trained
from steps.model.metrics import decide, scores

TRUTH = np.array([True, False, True, False, False, True])
PROBABILITY = np.array([0.9, 0.8, 0.5, 0.5, 0.1, 0.2])


def test_scores_by_hand() -> None:
    # Positive rows: 0.9, 0.5, 0.2; from 0.4 on there are two of them and two others.
    by_hand = {"precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7, "accuracy": 3 / 6}
    # Of nine pairs five are in order and one is a tie.
    by_hand |= {"roc_auc": 5.5 / 9, "pr_auc": (1 + 2 / 4 + 3 / 5) / 3}
    off = np.array([0.1, 0.8, 0.5, 0.5, 0.1, 0.8])
    by_hand |= {"brier": (off**2).mean(), "log_loss": -np.log(1 - off).mean()}
    assert scores(TRUTH, PROBABILITY, 0.4) == pytest.approx(by_hand)


def test_precision_without_a_positive_decision_is_zero() -> None:
    assert scores(TRUTH, PROBABILITY, 0.95)["precision"] == 0


@pytest.mark.parametrize(("threshold", "positives"), [(0.5, 2), (0.51, 2), (0.8, 2), (0.2, 5)])
def test_a_row_is_positive_from_the_threshold_on_but_a_tie_at_one_half_is_negative(
    threshold: float, positives: int
) -> None:
    assert decide(PROBABILITY, threshold).sum() == positives


def test_at_one_half_decisions_are_those_of_predict(trained: Trained) -> None:
    features = trained.test[list(trained.schema.features)]
    predicted = trained.estimator.predict(features) == trained.schema.positive
    assert (decide(trained.estimator.predict_proba(features)[:, 1], 0.5) == predicted).all()
