"""Check that the trees of an estimator read from a file are safe to walk.

scikit-learn follows the numbers in a tree's nodes without looking at their bounds: a forged file
could make it read foreign memory or loop forever. skops cannot see that: it checks only types
(https://github.com/scikit-learn/scikit-learn/pull/34558).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.common import (
    PREDICTOR_RECORD_DTYPE,
    X_BITSET_INNER_DTYPE,
)
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

# A set of categories is a row of so many words: a bit for each of 256.
WORDS = 8
# What scikit-learn raises for a transformer that was not fitted as it says.
UNFIT = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError)


def are_sound(estimator: Any) -> bool:
    """Tell whether every inner node of every tree has later children and an existing feature.

    This covers the trees of scikit-learn's forests and of its histogram boosting.
    """
    return all(_is_sound(tree, owner) for tree, owner in _trees(estimator))


def _trees(estimator: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each tree with the estimator around it."""
    left: list[tuple[Any, Any]] = [(estimator, None)]
    seen: set[int] = set()
    while left:
        each, owner = left.pop()
        if id(each) in seen:
            continue
        if isinstance(each, list | tuple):
            left.extend((item, owner) for item in each)
        elif isinstance(each, np.ndarray) and each.dtype == object:
            left.extend((item, owner) for item in each.ravel())
        elif isinstance(each, dict):
            left.extend((item, owner) for item in each.values())
        elif isinstance(each, Tree | TreePredictor):
            yield each, owner
        elif hasattr(each, "__dict__"):
            inside = each if "n_features_in_" in vars(each) else owner
            left.extend((item, inside) for item in vars(each).values())
        else:
            continue
        seen.add(id(each))


def _is_sound(tree: Any, owner: Any) -> bool:
    features = getattr(owner, "n_features_in_", None)
    if not isinstance(features, int):
        return False
    if isinstance(tree, Tree):
        nodes = tree.__getstate__()["nodes"]
        left, right, asked = nodes["left_child"], nodes["right_child"], nodes["feature"]
        # scikit-learn takes a node without a left child for a leaf.
        inner = left != -1
        if tree.n_features != features:
            return False
    else:
        nodes = vars(tree).get("nodes")
        if not _is_array(nodes, PREDICTOR_RECORD_DTYPE, 1):
            return False
        left, right, asked = (nodes[name].astype(int) for name in ("left", "right", "feature_idx"))
        inner = nodes["is_leaf"] == 0
        if _width(owner) != features or not _are_categories_sound(tree, owner, inner):
            return False
    count = len(nodes)
    place = np.arange(count)
    children = all(((place < child) & (child < count))[inner].all() for child in (left, right))
    return bool(count and children and ((asked >= 0) & (asked < features))[inner].all())


def _width(boosting: Any) -> int | None:
    """Count the columns that the trees of histogram boosting are given; None if unknown."""
    preprocessor = vars(boosting).get("_preprocessor")
    features: int = boosting.n_features_in_
    if preprocessor is None:
        return features
    try:
        return int(preprocessor.transform(np.zeros((1, features))).shape[1])
    except UNFIT:
        return None


def _are_categories_sound(tree: Any, boosting: Any, inner: np.ndarray) -> bool:
    """Check the sets of categories to which the nodes of histogram boosting refer."""
    asking = tree.nodes[inner & (tree.nodes["is_categorical"] != 0)]
    if not len(asking):
        return True
    sets: Any = vars(tree).get("raw_left_cat_bitsets")
    known: Any = getattr(getattr(boosting, "_bin_mapper", None), "is_categorical_", None)
    if not _is_array(sets, X_BITSET_INNER_DTYPE, 2) or not _is_array(known, np.uint8, 1):
        return False
    features = asking["feature_idx"]
    return bool(
        sets.shape[1] == WORDS
        and (asking["bitset_idx"] < len(sets)).all()
        and ((features >= 0) & (features < len(known))).all()
        and (known[features] != 0).all()
    )


def _is_array(value: Any, dtype: Any, dimensions: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == dimensions
