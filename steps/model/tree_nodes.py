"""Check that the trees of an estimator read from a file are safe to walk.

scikit-learn follows the numbers in a tree's nodes without looking at their bounds: a forged file
could make it read foreign memory or loop forever. skops cannot see that: it checks only types
(https://github.com/scikit-learn/scikit-learn/pull/34558).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def are_sound(estimator: Any) -> bool:
    """Tell whether every inner node of every tree has later children and an existing feature.

    This covers the trees of scikit-learn's forests and of its histogram boosting.
    """
    return all(_is_sound(tree, features) for tree, features in _trees(estimator))


def _trees(estimator: Any) -> Iterator[tuple[Any, int]]:
    """Yield each tree with the number of features of the estimator around it."""
    left: list[tuple[Any, int]] = [(estimator, -1)]
    seen: set[int] = set()
    while left:
        each, features = left.pop()
        if id(each) in seen:
            continue
        if isinstance(each, list | tuple):
            left.extend((item, features) for item in each)
        elif isinstance(each, np.ndarray) and each.dtype == object:
            left.extend((item, features) for item in each.ravel())
        elif isinstance(each, dict):
            left.extend((item, features) for item in each.values())
        elif type(each).__name__ in ("Tree", "TreePredictor"):
            yield each, features
        elif hasattr(each, "__dict__"):
            inside = vars(each).get("n_features_in_", features)
            left.extend((item, inside) for item in vars(each).values())
        else:
            continue
        seen.add(id(each))


def _is_sound(tree: Any, features: int) -> bool:
    if type(tree).__name__ == "Tree":
        nodes = tree.__getstate__()["nodes"]
        left, right, asked = nodes["left_child"], nodes["right_child"], nodes["feature"]
        # scikit-learn takes a node without a left child for a leaf.
        inner = left != -1
        if tree.n_features != features:
            return False
    else:
        nodes = tree.nodes
        left, right, asked = (nodes[name].astype(int) for name in ("left", "right", "feature_idx"))
        inner = ~nodes["is_leaf"].astype(bool)
        bitsets = nodes["bitset_idx"][inner & nodes["is_categorical"].astype(bool)]
        if (bitsets >= len(tree.raw_left_cat_bitsets)).any():
            return False
    count = len(nodes)
    place = np.arange(count)
    children = all(((place < child) & (child < count))[inner].all() for child in (left, right))
    return bool(count and children and ((asked >= 0) & (asked < features))[inner].all())
