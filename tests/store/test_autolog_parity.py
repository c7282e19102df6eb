"""A search leaves all that autolog would leave, with the same values."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.conftest import artifacts, children, tracking
from tests.model.searches import Case, make_case
from tests.store.searches import run_search

TIMES = {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"}


def run_autolog(case: Case) -> tuple[Run, list[Run]]:
    """Search a case with scikit-learn under autolog; give its run and child runs."""
    mlflow.sklearn.autolog(max_tuning_runs=None, log_models=False, silent=True)
    try:
        with mlflow.start_run() as active:
            case.scikit_learn().fit(case.work.features, case.work.labels)
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    run = MlflowClient().get_run(active.info.run_id)
    names = case.settings.candidates()[0].keys()
    found = {tuple(child.data.params[name] for name in names): child for child in children(run)}
    ordered = [tuple(str(one[name]) for name in names) for one in case.settings.candidates()]
    assert len(found) == len(ordered)
    return run, [found[values] for values in ordered]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "local"), [("int", "file"), ("str", "sqlite")])
def test_same_record_as_autolog(
    kind: str, local: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = {"file": f"file://{tmp_path}/mlruns", "sqlite": f"sqlite:///{tmp_path}/store.db"}[local]
    case = make_case(kind)
    with tracking(uri, monkeypatch):
        theirs, their_children = run_autolog(case)
        _, ours, our_children = run_search(case, tmp_path)
        assert artifacts(theirs.info.run_id) <= artifacts(ours.info.run_id)
    assert len(our_children) == len(their_children) == 4
    for mine, other in zip(our_children, their_children, strict=True):
        assert mine.data.params == other.data.params
        assert mine.data.metrics.keys() == other.data.metrics.keys()
        for name, value in other.data.metrics.items():
            assert name in TIMES or mine.data.metrics[name] == value, name
        for tag in ("estimator_name", "estimator_class", "mlflow.user", "mlflow.source.name"):
            assert mine.data.tags[tag] == other.data.tags[tag]
    assert ours.data.params == theirs.data.params
    assert ours.data.metrics.keys() - theirs.data.metrics.keys() == {
        "candidates_done",
        "best_cv_score_so_far",
        "search_seconds",
        "search_seconds_left",
        "candidates_per_second",
    }
    for name, value in theirs.data.metrics.items():
        assert ours.data.metrics[name] == value, name
    for tag in ("estimator_name", "estimator_class"):
        assert ours.data.tags[tag] == theirs.data.tags[tag]
    (our_input,), (their_input,) = ours.inputs.dataset_inputs, theirs.inputs.dataset_inputs
    assert our_input.dataset.digest == their_input.dataset.digest
    assert our_input.tags == their_input.tags


def test_azure_limits_hold(tmp_path: Path) -> None:
    _, parent, found = run_search(make_case(folds=10), tmp_path)
    for run in (parent, *found):
        assert len(run.data.params) <= 200
        assert len(run.data.metrics) <= 50
        assert len(run.data.tags) <= 50
        assert max(map(len, run.data.tags.values())) <= 1000
