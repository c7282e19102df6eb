"""Which candidates are prefixes of one ensemble: those that differ in the number of trees only.

With an integer seed the trees of a forest are drawn one after the other, so the first k trees of
a larger forest are the forest of k; a stage of boosting never looks at later ones. Depth is no
prefix: the draws of a deeper tree come between those of a shallow one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
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
from sklearn.pipeline import Pipeline

from steps.model.grid import Candidate
from steps.model.pipeline import CLF

FORESTS = (
    RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor
)  # fmt: skip
GRADIENT = (GradientBoostingClassifier, GradientBoostingRegressor)
HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# scikit-learn's HistGradientBoosting with early_stopping="auto" stops early above so many rows.
AUTO_STOPS_ABOVE = 10_000
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Group:
    """Candidates of one ensemble: `members[i]` are the positions of those with `sizes[i]` trees.

    Sizes rise; `parameters` are the rest, equal for all. A candidate of another kind of estimator
    is a group of one without sizes, and `parameters` are all of its own.
    """

    parameters: Candidate
    sizes: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions of all candidates, those with the fewest trees first."""
        return tuple(position for members in self.members for position in members)


def size_parameter(estimator: Any) -> str:
    """Name the parameter that is the number of trees; empty if an estimator has none we know.

    Exact types: a subclass may do anything.
    """
    if type(estimator) in FORESTS + GRADIENT:
        return "n_estimators"
    return "max_iter" if type(estimator) in HISTOGRAM else ""


def can_share(estimator: Any, rows: int) -> bool:
    """Say whether prefixes of this ensemble, fitted on `rows` rows, are the smaller ensembles."""
    kind, seed = type(estimator), getattr(estimator, "random_state", None)
    if not size_parameter(estimator) or estimator.warm_start:
        return False
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        return False
    if kind in FORESTS:
        # With more threads than one scikit-learn's own sum has no fixed order.
        return estimator.oob_score is False and estimator.n_jobs in (None, 1)
    if kind in GRADIENT:
        return estimator.n_iter_no_change is None and estimator.init is None
    stops = estimator.early_stopping
    return bool(stops is False or (stops == "auto" and rows <= AUTO_STOPS_ABOVE))


def groups(
    unfitted: Callable[[Candidate], Pipeline], candidates: Mapping[int, Candidate], rows: int
) -> list[Group]:
    """Divide candidates, in the order of their first members; `rows` are a fold's, to train on.

    `unfitted` makes a candidate's pipeline.
    """
    sizes_of: dict[Any, dict[int, list[int]]] = {}
    named: dict[int, str] = {}
    size_names = _SizeNames(unfitted)
    # Making a pipeline to look at takes as long as a small tree: one for all of a group.
    shared: dict[Any, bool] = {}
    for position, candidate in candidates.items():
        name, default = size_names.of(candidate)
        size = candidate.get(name, default)
        others = {key: value for key, value in candidate.items() if key != name}
        key = (name, *_key(others)) if _is_size(size) else None
        if key is not None and key not in shared:
            shared[key] = _shares(unfitted, others, rows)
        if key is None or not shared[key]:
            sizes_of[position] = {0: [position]}
        else:
            sizes_of.setdefault(key, {}).setdefault(int(size), []).append(position)
            named[position] = name
    return [_group(candidates, sizes, named) for sizes in sizes_of.values()]


class _SizeNames:
    """Knows the name of the number of trees, and its default, for each kind of estimator."""

    def __init__(self, unfitted: Callable[[Candidate], Pipeline]) -> None:
        self._unfitted = unfitted
        self._known: dict[str, tuple[str, Any]] = {}

    def of(self, candidate: Candidate) -> tuple[str, Any]:
        kind = {CLF: candidate[CLF]} if CLF in candidate else {}
        if repr(kind) not in self._known:
            estimator = self._unfitted(kind)[-1]
            name = size_parameter(estimator)
            default = getattr(estimator, name) if name else None
            self._known[repr(kind)] = f"{CLF}__{name}", default
        return self._known[repr(kind)]


def _is_size(size: Any) -> bool:
    return bool(isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 1)


def _key(others: Candidate) -> tuple[tuple[str, str, str], ...]:
    """Tell sets of other parameters apart."""
    # 1, 1.0 and True are one key of a dict, and three values of a parameter.
    return tuple(sorted((name, type(v).__name__, repr(v)) for name, v in others.items()))


def _shares(unfitted: Callable[[Candidate], Pipeline], others: Candidate, rows: int) -> bool:
    """Say whether ensembles with these other parameters are prefixes of one."""
    if not all(isinstance(value, PLAIN) for value in others.values()):
        return False
    try:
        return can_share(unfitted(others)[-1], rows)
    except (ValueError, AttributeError, TypeError):
        # Parameters that do not fit: the fit will say so, candidate by candidate.
        return False


def _group(
    candidates: Mapping[int, Candidate], sizes: Mapping[int, list[int]], named: Mapping[int, str]
) -> Group:
    rising = sorted(sizes)
    position = sizes[rising[0]][0]
    first = candidates[position]
    if rising == [0]:
        return Group(first, (), ((position,),))
    others = {name: value for name, value in first.items() if name != named[position]}
    return Group(others, tuple(rising), tuple(tuple(sizes[size]) for size in rising))
