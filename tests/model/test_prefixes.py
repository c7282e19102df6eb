"""Prefixes of one ensemble answer as separate fits do, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline

from steps.model import metrics
from steps.model.fold_scores import fold_scores
from steps.model.growth import grow, quiet
from steps.model.prefixes import can_share, groups, size_parameter
from steps.model.task import BinaryTask

RANDOM = np.random.default_rng(0)
ROWS, SEEN = 300, 200
FEATURES = RANDOM.normal(size=(ROWS, 6))
NUMBERS = FEATURES[:, 0] + FEATURES[:, 1] * FEATURES[:, 2] + RANDOM.normal(size=ROWS)
LABELS = {
    "int": (NUMBERS > 0).astype(int),
    "str": np.where(NUMBERS > 0, "yes", "no").astype(object),
    "bool": NUMBERS > 0,
    "three": np.digitize(NUMBERS, [-1, 1]),
}


def assert_equal_to_separate_fits(estimator: Any, labels: Any, features: Any = FEATURES) -> None:
    """Compare what a growing ensemble answers with what one of each size does."""
    assert can_share(estimator, SEEN)
    seen, unseen = features[:SEEN], features[SEEN:]
    with quiet():
        reached = list(grow(estimator, (1, 2, 5), seen, labels[:SEEN], unseen))
    assert [one.size for one in reached] == [1, 2, 5]
    assert sorted(one.fit_seconds for one in reached) == [one.fit_seconds for one in reached]
    for one in reached:
        alone = clone(estimator).set_params(**{size_parameter(estimator): one.size})
        alone.fit(seen, labels[:SEEN])
        for name in ("predict", "predict_proba", "decision_function"):
            if hasattr(alone, name):
                ours, theirs = getattr(one.answers, name)(unseen), getattr(alone, name)(unseen)
                assert ours.dtype == theirs.dtype
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
@pytest.mark.parametrize(
    ("labels", "parameters"),
    [
        ("int", {}),
        ("str", {"class_weight": "balanced"}),
        ("bool", {"class_weight": "balanced_subsample", "bootstrap": True}),
        ("three", {"bootstrap": True, "max_samples": 0.5, "ccp_alpha": 0.01}),
        ("int", {"max_features": None, "max_leaf_nodes": 9, "criterion": "entropy"}),
    ],
)
def test_forests(kind: Any, labels: str, parameters: dict[str, Any]) -> None:
    assert_equal_to_separate_fits(kind(random_state=42, **parameters), LABELS[labels])


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_forests_of_numbers(kind: Any) -> None:
    assert_equal_to_separate_fits(kind(random_state=42, max_depth=4), NUMBERS)


@pytest.mark.parametrize("labels", ["int", "three"])
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (GradientBoostingClassifier, {"subsample": 0.5, "max_features": 2}),
        (HistGradientBoostingClassifier, {"early_stopping": False}),
    ],
)
def test_boosting(kind: Any, parameters: dict[str, Any], labels: str) -> None:
    assert_equal_to_separate_fits(kind(random_state=3, **parameters), LABELS[labels])


@pytest.mark.parametrize("kind", [GradientBoostingRegressor, HistGradientBoostingRegressor])
def test_boosting_of_numbers(kind: Any) -> None:
    assert_equal_to_separate_fits(kind(random_state=3), NUMBERS)


def test_missing_and_sparse_features() -> None:
    missing = np.where(RANDOM.random(FEATURES.shape) < 0.1, np.nan, FEATURES)
    assert_equal_to_separate_fits(RandomForestClassifier(random_state=1), LABELS["int"], missing)
    rows = sparse.csr_matrix(np.where(abs(FEATURES) > 0.8, FEATURES, 0))
    assert_equal_to_separate_fits(ExtraTreesClassifier(random_state=1), LABELS["str"], rows)


@pytest.mark.parametrize("labels", ["int", "str", "bool"])
def test_scores_are_those_of_the_scorers(labels: str) -> None:
    known = LABELS[labels]
    task = BinaryTask(tuple(np.unique(known).tolist()), 1)
    scorers = metrics.scorers(task.classes[1])
    for kind in (RandomForestClassifier, GradientBoostingClassifier):
        alone = kind(n_estimators=3, random_state=1).fit(FEATURES[:SEEN], known[:SEEN])
        for rows in (slice(SEEN, ROWS), slice(0, SEEN)):
            theirs = check_scoring(alone, scorers)(alone, FEATURES[rows], known[rows])
            assert fold_scores(task, alone, FEATURES[rows], known[rows]) == theirs


def divided(estimator: Any, candidates: list[dict[str, Any]]) -> list[tuple[tuple[int, ...], ...]]:
    pipeline = Pipeline([("clf", estimator)])

    def unfitted(candidate: dict[str, Any]) -> Pipeline:
        return clone(pipeline).set_params(**clone(candidate, safe=False))

    return [one.members for one in groups(unfitted, dict(enumerate(candidates)), SEEN)]


def test_groups_differ_in_the_number_of_trees_only() -> None:
    sizes: list[dict[str, Any]] = [
        {"clf__n_estimators": size, "clf__max_depth": depth}
        for depth in (1, True, None)
        for size in (3, 1, 3)
    ]
    others: list[dict[str, Any]] = [
        {"clf__max_depth": None},
        {"clf__n_estimators": "x"},
        {"clf__n_estimators": 2, "clf__random_state": None},
        {"clf__n_estimators": 2, "clf__random_state": None},
        {"clf__nope": 1, "clf__n_estimators": 2},
        {"clf__n_estimators": 7, "clf__bootstrap": True, "clf__oob_score": True},
    ]
    assert divided(RandomForestClassifier(random_state=1), sizes + others) == [
        ((1,), (0, 2)),
        ((4,), (3, 5)),
        ((7,), (6, 8), (9,)),
        *[((position,),) for position in range(10, 15)],
    ]


def test_boosting_that_may_stop_early_shares_nothing() -> None:
    stopping = HistGradientBoostingClassifier(random_state=1)
    assert can_share(stopping, 10_000)
    assert not can_share(stopping, 10_001)
    assert not can_share(GradientBoostingClassifier(random_state=1, n_iter_no_change=3), 100)
    assert not can_share(RandomForestClassifier(random_state=None), 100)
