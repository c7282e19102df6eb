"""Forged trees are told from those that scikit-learn made."""

from __future__ import annotations

from collections.abc import Callable
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


@pytest.fixture
def with_categories() -> Any:
    rows = ROWS.copy()
    rows[:, 0] = np.arange(200) % 5
    boosting = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0], random_state=0)
    return make_pipeline(SimpleImputer(), boosting).fit(rows, LABELS ^ (rows[:, 0] == 2))


FORGED: dict[str, Callable[[Any], object]] = {
    "a loop": lambda tree: put(tree, "left", 0),
    "a child out of range": lambda tree: put(tree, "right", 10**6),
    "a feature out of range": lambda tree: put(tree, "feature_idx", 4),
    "a negative feature": lambda tree: put(tree, "feature_idx", -1),
    "a leaf that is none": lambda tree: tree.nodes["is_leaf"].fill(0),
    "no nodes": lambda tree: setattr(tree, "nodes", tree.nodes[:0]),
    "nodes of another kind": lambda tree: setattr(tree, "nodes", np.zeros((3, 3))),
    "nodes that are none": lambda tree: setattr(tree, "nodes", "nodes"),
    "no attribute nodes": lambda tree: vars(tree).clear(),
}


def put(tree: Any, field: str, value: int) -> None:
    tree.nodes[field][0] = value


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_boosting(boosting: Any, case: str) -> None:
    FORGED[case](boosting[-1]._predictors[1][0])
    assert not tree_nodes.are_sound(boosting)


def test_boosting_with_categories_is_sound(with_categories: Any) -> None:
    assert tree_nodes.are_sound(with_categories)


FORGED_CATEGORIES: dict[str, Callable[[Any, Any], object]] = {
    "no such set": lambda model, tree: tree.nodes["bitset_idx"].fill(10**6),
    "a set too short": lambda model, tree: setattr(
        tree, "raw_left_cat_bitsets", tree.raw_left_cat_bitsets[:, :1]
    ),
    "sets of another kind": lambda model, tree: setattr(tree, "raw_left_cat_bitsets", None),
    "a number taken for a category": lambda model, tree: model._bin_mapper.is_categorical_.fill(0),
    "fewer features known": lambda model, tree: setattr(
        model._bin_mapper, "is_categorical_", np.ones(0, bool)
    ),
    "no bins": lambda model, tree: delattr(model, "_bin_mapper"),
    "fewer columns come": lambda model, tree: model._preprocessor.transformers_.pop(1),
    "a preprocessor that fails": lambda model, tree: setattr(model, "_preprocessor", "x"),
    "features that are no number": lambda model, tree: setattr(model, "n_features_in_", "4"),
}


@pytest.mark.parametrize("case", FORGED_CATEGORIES)
def test_forged_categories(with_categories: Any, case: str) -> None:
    model = with_categories[-1]
    trees = [tree for trees in model._predictors for tree in trees]
    asking = next(tree for tree in trees if tree.nodes["is_categorical"].any())
    FORGED_CATEGORIES[case](model, asking)
    assert not tree_nodes.are_sound(with_categories)


def forge(tree: Any, field: str, value: int) -> None:
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
