"""Forged trees are told from those that scikit-learn made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from steps.model import tree_nodes

ROWS = np.random.default_rng(0).normal(size=(200, 4))
LABELS = ROWS[:, 0] * ROWS[:, 1] > 0


def fitted(classifier: Any) -> Any:
    return make_pipeline(SimpleImputer(), classifier).fit(ROWS, LABELS)


@pytest.fixture
def forest() -> Any:
    return fitted(RandomForestClassifier(3, max_depth=4, random_state=0))


@pytest.fixture
def boosting() -> Any:
    return fitted(HistGradientBoostingClassifier(max_iter=3, random_state=0))


def test_what_scikit_learn_made_is_sound(forest: Any, boosting: Any) -> None:
    assert tree_nodes.are_sound(forest)
    assert tree_nodes.are_sound(boosting)
    assert tree_nodes.are_sound(fitted(RandomForestClassifier(1, max_depth=1)))


@pytest.mark.parametrize(
    ("field", "value"),
    [("left_child", 0), ("left_child", 10**6), ("right_child", -5), ("feature", 4)],
)
def test_a_forged_forest(forest: Any, field: str, value: int) -> None:
    forge(forest[-1].estimators_[1].tree_, field, value)
    assert not tree_nodes.are_sound(forest)


def test_a_tree_of_more_features_than_it_is_given(forest: Any) -> None:
    forest[-1].n_features_in_ = 3
    for tree in forest[-1].estimators_:
        tree.n_features_in_ = 3
    assert not tree_nodes.are_sound(forest)


@pytest.mark.parametrize(("field", "value"), [("left", 0), ("right", 10**6), ("feature_idx", 4)])
def test_a_forged_boosting(boosting: Any, field: str, value: int) -> None:
    boosting[-1]._predictors[1][0].nodes[field][0] = value
    assert not tree_nodes.are_sound(boosting)


def forge(tree: Any, field: str, value: int) -> None:
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
