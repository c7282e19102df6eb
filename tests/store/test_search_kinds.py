"""Searches that do not try a list from its first to its last: recorded, and resumed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from steps.model import tpe
from steps.model.fitted_search import FittedSearch
from steps.store.recorded_search import Execution, search
from tests.conftest import children
from tests.model.searches import Case, assert_same_results, make_case
from tests.store.searches import step_run


def run(case: Case, folder: Path) -> tuple[FittedSearch, list[Run]]:
    """Search a case; give the search and its child runs, the oldest first."""
    with step_run() as opened:
        files = folder / opened.id
        files.mkdir()
        found = search(case.settings, case.work, Execution(), opened, files, "data/table.csv")
    ended = mlflow.get_run(opened.id)
    return found, sorted(children(ended), key=lambda child: child.info.end_time)


def interrupt(child_runs: list[Run], lost: int) -> None:
    """Leave a search as a kill does: its run unended, its last candidates never fitted."""
    client = MlflowClient()
    client.update_run(child_runs[0].data.tags["mlflow.parentRunId"], "RUNNING")
    for child in child_runs[-lost:]:
        client.delete_run(child.info.run_id)


def copies(child_runs: list[Run]) -> set[str]:
    """List the runs that were taken over."""
    tag = "step.candidate.copy_of"
    return {child.data.tags[tag] for child in child_runs if tag in child.data.tags}


def learning(trials: int, seed: int = 42) -> Case:
    """Search with tpe."""
    pytest.importorskip("optuna")
    case = make_case()
    space: Any = {
        "clf__max_depth": {"low": 1, "high": 12},
        "clf__n_estimators": {"low": 1, "high": 5},
        "clf__max_features": [0.5, "sqrt", None],
    }
    settings = replace(case.settings, grid=space, search="tpe", n_iter=trials, seed=seed)
    return replace(case, settings=settings)


def test_halving_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    case = make_case().with_grid({"clf__n_estimators": [1, 2], "clf__max_depth": [1, 2, 3]})
    case = replace(case, settings=replace(case.settings, search="halving"))
    fresh, first = run(case, tmp_path)
    rows = [child.data.tags["step.candidate.rows"] for child in first]
    assert len(set(rows)) == 2
    # All of the last round, and one of the first.
    interrupt(first, lost=rows.count(rows[-1]) + 1)
    resumed, second = run(case, tmp_path)
    assert len(second) == len(first)
    assert len(copies(second)) == rows.count(rows[0]) - 1
    assert_same_results(resumed.cv_results_, fresh.cv_results_)
    assert resumed.best_params_ == fresh.best_params_


def test_tpe_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    case = learning(6)
    _, first = run(case, tmp_path)
    assert len(first) == 6
    interrupt(first, lost=2)
    resumed, second = run(case, tmp_path)
    assert copies(second) == {child.info.run_id for child in first[:4]}
    assert len(second) == 6
    tried = [
        {name: str(value) for name, value in one.items()} for one in resumed.cv_results_["params"]
    ]
    names = tried[0].keys()
    assert tried[:4] == [{name: child.data.params[name] for name in names} for child in first[:4]]


def test_a_pruned_trial_is_tagged_and_stays_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Soon, and whatever is below the worst quarter.
    monkeypatch.setattr(tpe, "TRIALS_BEFORE_PRUNING", 3)
    monkeypatch.setattr(tpe, "ERRORS_BELOW", 0.0)
    case = learning(12)
    found, child_runs = run(case, tmp_path)
    pruned = [child for child in child_runs if child.data.tags.get("step.candidate.pruned")]
    assert 0 < len(pruned) < 9
    for child in pruned:
        assert child.info.status == "FINISHED"
        assert "mean_test_roc_auc" not in child.data.metrics
        assert "NaN" in child.data.tags["step.candidate.folds"]
    unscored = [math.isnan(mean) for mean in found.cv_results_["mean_test_roc_auc"]]
    assert unscored.count(True) == len(pruned)
    interrupt(child_runs, lost=1)
    _, again = run(case, tmp_path)
    of_pruned = {child.info.run_id for child in pruned if child is not child_runs[-1]}
    taken_over = [child for child in again if "step.candidate.copy_of" in child.data.tags]
    assert of_pruned == {
        child.data.tags["step.candidate.copy_of"]
        for child in taken_over
        if "step.candidate.pruned" in child.data.tags
    }
