"""Make the grid for each `estimator`: the portfolio of `auto`, or the user's grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from steps.base.errors import StepError
from steps.base.parsers import AUTO
from steps.model.candidates import unfitted_pipelines
from steps.model.estimators import (
    AVERAGE,
    BOOSTING,
    EXTRA_TREES,
    FAMILIES,
    FOREST,
    FOREST_COLUMNS,
    LINEAR,
)
from steps.model.grid import Grid, check_names
from steps.model.pipeline import CLF, FILLNA

if TYPE_CHECKING:
    from steps.data.schema import Schema

Grids = list[dict[str, list[Any]]]


def portfolio(*, regression: bool) -> Grids:
    """List what `auto` tries, simple candidates first so that they win a tie.

    These are what one would try by hand: a linear model with three penalties; both kinds of forest
    with full and with smoother trees; boosting with its defaults, slower with smaller trees and
    with stumps of few leaves, and with a share of the columns at each split; and the average of
    all four, which errs less than the one that happens to look best in the folds of a small table.
    """
    linear: dict[str, list[Any]] = (
        {"clf__alpha": [100.0, 10.0, 1.0]} if regression else {"clf__C": [0.01, 0.1, 1.0]}
    )
    forest: dict[str, list[Any]] = {
        "clf__n_estimators": [100],
        "clf__max_features": [FOREST_COLUMNS["numbers" if regression else "classes"]],
        "clf__min_samples_leaf": [5, 1],
    }
    slow: dict[str, list[Any]] = {"clf__learning_rate": [0.05], "clf__max_iter": [200]}
    return [
        {CLF: [LINEAR], **linear},
        {CLF: [FOREST], **forest},
        {CLF: [EXTRA_TREES], **forest},
        {CLF: [BOOSTING], **slow, "clf__max_leaf_nodes": [4, 8, 16]},
        {CLF: [BOOSTING], **slow, "clf__max_leaf_nodes": [16], "clf__max_features": [0.3]},
        {CLF: [BOOSTING], "clf__learning_rate": [0.1], "clf__max_iter": [100]},
        {CLF: [AVERAGE]},
    ]


def searched_families(estimators: Sequence[str]) -> tuple[str, ...]:
    """Name the families of the `estimator` parameter."""
    return (*FAMILIES, AVERAGE) if tuple(estimators) == (AUTO,) else tuple(estimators)


def search_grid(estimators: Sequence[str], grid: Grid | None, schema: Schema, seed: int) -> Grid:
    """Make the grid of `estimators`; with more than one family, `clf` names each one's.

    Without a grid, search each family as `auto` does. Each family takes from a given grid the
    parameters that it has. Raises StepError for a parameter that no family has, for one that is a
    step, and for a grid together with `auto`.
    """
    auto = tuple(estimators) == (AUTO,)
    if grid is None:
        made = [
            one
            for one in portfolio(regression=not schema.classes)
            if auto or one[CLF][0] in estimators
        ]
        return made if len(estimators) > 1 or auto else [_without_family(one) for one in made]
    if auto:
        raise StepError(
            "parameter estimator: expected estimators by name beside a grid, found auto; name "
            "them, or leave the grid out"
        )
    return _for_each_family(estimators, grid, schema, seed)


def _for_each_family(estimators: Sequence[str], grid: Grid, schema: Schema, seed: int) -> Grid:
    grids = grid if isinstance(grid, list) else [grid]
    for step in (CLF, FILLNA):
        if any(step in one for one in grids):
            raise StepError(
                f"parameter grid: expected parameters of steps, found the step {step}; choose an "
                "estimator by -P estimator=…"
            )
    known = {
        name: set(pipeline.get_params())
        for name, pipeline in unfitted_pipelines(estimators, schema, seed).items()
    }
    check_names(grid, set().union(*known.values()))
    if len(estimators) == 1:
        return grid
    made: Grids = []
    for name in estimators:
        for one in grids:
            own = {key: values for key, values in one.items() if key in known[name]}
            # If a grid has only other families' parameters, the family keeps its defaults.
            if {CLF: [name], **own} not in made:
                made.append({CLF: [name], **own})
    return made


def _without_family(grid: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {key: values for key, values in grid.items() if key != CLF}
