"""A search of any family, for any task, gives what GridSearchCV gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from steps.model.fitted_search import refitted, unfitted_search
from steps.model.fitting import plan_work
from steps.model.fold_data import Work
from steps.model.grid import SearchSettings
from steps.model.local_executor import LocalExecutor
from steps.model.portfolio import search_grid, searched_families
from steps.model.search_loop import fit_all
from steps.model.sources import Listed
from steps.model.task import task_of
from tests.model import small_tables
from tests.model.searches import Heard, assert_same_results

GRIDS: dict[str, dict[str, list[Any]]] = {
    "random_forest": {"clf__n_estimators": [2], "clf__max_depth": [2, None]},
    "extra_trees": {"clf__n_estimators": [2], "clf__max_features": [0.3, 1.0]},
    "hist_gradient_boosting": {"clf__max_iter": [2], "clf__max_leaf_nodes": [3, 5]},
    "linear": {"clf__tol": [1e-3, 1e-4]},
}


def plan(task: str, families: tuple[str, ...], grid: Any) -> tuple[SearchSettings, Work]:
    schema = small_tables.schema(task)
    made = search_grid(families, grid, schema, 7)
    metric = task_of(schema, 7).main
    settings = SearchSettings(made, "grid", 1, 7, metric, 3, searched_families(families))
    return settings, plan_work(settings, schema, small_tables.features(), small_tables.labels(task))


def run(settings: SearchSettings, work: Work) -> Any:
    source = Listed(work, settings.candidates())
    with LocalExecutor(work, 1) as executor:
        results = fit_all(source, executor, Heard(), metric=settings.metric)
    return refitted(unfitted_search(work, settings), work, source, results, settings.metric)


def as_scikit_learn(work: Work, grids: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turn names of families into steps, which scikit-learn sets before their parameters."""
    made = []
    for grid in grids:
        pipeline = work.families[grid["clf"][0]]
        steps = {"clf": [pipeline["clf"]], "fillna": [pipeline["fillna"]]}
        made.append({**grid, **steps})
    return made


@pytest.mark.slow
@pytest.mark.parametrize("task", small_tables.TASKS)
@pytest.mark.parametrize("family", GRIDS)
def test_one_family(task: str, family: str) -> None:
    settings, work = plan(task, (family,), GRIDS[family])
    assert work.prefix == "clf__"
    ours = run(settings, work)
    theirs = GridSearchCV(
        work.estimator, settings.grid, scoring=work.task.scoring, refit=settings.metric,
        cv=work.task.cv(3),
    ).fit(work.features, work.labels)  # fmt: skip
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert ours.best_params_ == theirs.best_params_
    assert np.array_equal(ours.predict(work.features), theirs.predict(work.features))


@pytest.mark.parametrize(("task", "asked"), [("binary", True), ("multiclass", False)])
def test_predictions_are_kept_only_where_the_evaluation_asks(task: str, asked: bool) -> None:
    settings, work = plan(task, ("random_forest",), {"clf__n_estimators": [2]})
    assert (run(settings, work).unseen_ is not None) == asked


@pytest.mark.slow
@pytest.mark.parametrize("task", small_tables.TASKS)
def test_several_families(task: str) -> None:
    grid = {"clf__max_iter": [3], "clf__max_leaf_nodes": [4], "clf__n_estimators": [2]}
    families = ("random_forest", "linear", "hist_gradient_boosting")
    settings, work = plan(task, families, grid)
    grids = settings.grid
    assert isinstance(grids, list)
    assert settings.candidates()[0] == {
        "clf": "random_forest", "clf__max_leaf_nodes": 4, "clf__n_estimators": 2
    }  # fmt: skip
    if task != "regression":
        # Three iterations of the logistic regression would warn.
        grids[1]["clf__max_iter"] = [100]
    ours = run(settings, work)
    theirs = GridSearchCV(
        work.estimator, as_scikit_learn(work, grids), scoring=work.task.scoring,
        refit=settings.metric, cv=work.task.cv(3),
    ).fit(work.features, work.labels)  # fmt: skip
    for name in work.task.scorers:
        mean = f"mean_test_{name}"
        assert np.array_equal(ours.cv_results_[mean], theirs.cv_results_[mean])
    assert np.array_equal(ours.predict(work.features), theirs.predict(work.features))


def test_missing_and_unseen_categories_are_one() -> None:
    rows = small_tables.features(4)
    texts = [pd.Series([text] * 4, dtype=object) for text in (None, np.nan, "new")]
    for family in GRIDS:
        _, work = plan("binary", (family,), GRIDS[family])
        fitted = work.estimator.fit(work.features, work.labels)
        given = [fitted.predict_proba(rows.assign(kind=text)) for text in texts]
        assert np.array_equal(given[0], given[1])
        assert np.array_equal(given[0], given[2])


def test_the_portfolio_tries_every_family_and_their_average() -> None:
    settings, work = plan("multiclass", ("auto",), None)
    candidates = settings.candidates()
    assert len(candidates) == 13
    average = work.unfitted(candidates[-1])
    average.set_params(
        clf__random_forest__clf__n_estimators=2,
        clf__extra_trees__clf__n_estimators=2,
        clf__hist_gradient_boosting__clf__max_iter=2,
    ).fit(work.features, work.labels)
    members = [one.predict_proba(work.features) for one in average["clf"].estimators_]
    assert np.allclose(average.predict_proba(work.features), np.mean(members, axis=0))
    assert list(average.classes_) == ["a", "b", "c"]
