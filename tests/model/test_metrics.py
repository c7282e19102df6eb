"""Scores of probabilities and of the decisions at a threshold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from steps.model.evaluation import Trained
from steps.model.metrics import METRICS, decide, scores

TRUTH = np.array([True, False, True, False, False, True])
PROBABILITY = np.array([0.9, 0.8, 0.5, 0.5, 0.1, 0.2])


def test_scores_are_scikit_learns() -> None:
    found = scores(TRUTH, PROBABILITY, 0.4)
    assert tuple(sorted(found)) == tuple(sorted(METRICS))
    assert found["roc_auc"] == sk.roc_auc_score(TRUTH, PROBABILITY)
    assert found["pr_auc"] == sk.average_precision_score(TRUTH, PROBABILITY)
    assert found["brier"] == sk.brier_score_loss(TRUTH, PROBABILITY)
    assert found["precision"] == found["accuracy"] == 0.5


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
