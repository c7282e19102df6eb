"""What a killed search has finished is not fitted again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.conftest import PROJECT, RunStep, all_runs, children, tracking
from tests.model.searches import assert_same_results, make_case
from tests.store.searches import run_search


def test_resume_takes_over_what_is_finished(tmp_path: Path) -> None:
    case = make_case()
    fresh, complete, first = run_search(case, tmp_path, "a")
    client = MlflowClient()
    # As a kill leaves it: the parent and one child still running, another never made.
    for run in (complete, first[1]):
        client.update_run(run.info.run_id, "RUNNING")
    client.delete_run(first[3].info.run_id)
    resumed, _, second = run_search(case, tmp_path, "a")
    assert_same_results(resumed.cv_results_, fresh.cv_results_)
    times = [run.data.metrics["mean_fit_time"] for run in second]
    assert list(resumed.cv_results_["mean_fit_time"]) == times
    for index in (0, 2):
        assert second[index].data.tags["step.candidate.copy_of"] == first[index].info.run_id
        assert second[index].data.params == first[index].data.params
        assert second[index].data.metrics == first[index].data.metrics
        assert second[index].info.start_time == first[index].info.start_time
        assert second[index].info.end_time == first[index].info.end_time
        assert second[index].info.run_name == first[index].info.run_name
    for index in (1, 3):
        assert "step.candidate.copy_of" not in second[index].data.tags


@pytest.mark.parametrize("change", ["resume", "key", "finished"])
def test_nothing_is_taken_over(change: str, tmp_path: Path) -> None:
    case = make_case()
    _, complete, _ = run_search(case, tmp_path, "a")
    if change != "finished":
        MlflowClient().update_run(complete.info.run_id, "RUNNING")
    key = "b" if change == "key" else "a"
    _, _, second = run_search(case, tmp_path, key, resume=change != "resume")
    assert not any("step.candidate.copy_of" in run.data.tags for run in second)


def table(run: Run, folder: Path) -> pd.DataFrame:
    """Read the results of a search."""
    return pd.read_csv(
        mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="cv_results.csv", dst_path=str(folder)
        )
    )


def finished_children() -> int:
    """Count the child runs of searches that have ended well."""
    return sum(
        "step.candidate" in run.data.tags and run.info.status == "FINISHED" for run in all_runs()
    )


@pytest.mark.slow
def test_kill_and_run_again(
    run_step: RunStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not a file store: one that is killed or read in the middle of a write is broken (MLflow
    # 3.15 calls it unsupported).
    with tracking(f"sqlite:///{tmp_path}/store.db", monkeypatch):
        kill_and_run_again(run_step, tmp_path)


def kill_and_run_again(run_step: RunStep, tmp_path: Path) -> None:
    grid = {"n_estimators": ",".join(map(str, range(40, 520, 40))), "max_depth": "3"}
    run_step("preprocess")
    command = [sys.executable, "-m", "steps.train", *(f"--{k}={v}" for k, v in grid.items())]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as killed:
        try:
            while finished_children() < 3:
                assert killed.poll() is None
                time.sleep(0.05)
        finally:
            killed.send_signal(signal.SIGKILL)
    (left,) = all_runs("train")
    finished = [run for run in children(left) if run.info.status == "FINISHED"]
    assert left.info.status == "RUNNING"
    assert 3 <= len(finished) < 12
    assert all("mean_test_roc_auc" in run.data.metrics for run in finished)

    resumed = run_step("train", **grid)
    assert resumed.code == 0, resumed.err
    assert f"{len(finished)} of them are finished" in resumed.out
    again = children(resumed.run)
    assert len(again) == 12
    copies = {run.data.tags.get("step.candidate.copy_of") for run in again} - {None}
    assert copies == {run.info.run_id for run in finished}

    fresh = run_step("train", **grid, resume="false")
    one, other = table(resumed.run, tmp_path / "a"), table(fresh.run, tmp_path / "b")
    same = [name for name in other.columns if "time" not in name]
    pd.testing.assert_frame_equal(one[same], other[same], check_exact=True)
    for name in ("best_clf__n_estimators", "best_clf__max_depth"):
        assert resumed.run.data.params[name] == fresh.run.data.params[name]
    times = {"search_seconds", "search_seconds_left", "candidates_per_second"}
    resumed_metrics, fresh_metrics = resumed.run.data.metrics, fresh.run.data.metrics
    assert resumed_metrics.keys() == fresh_metrics.keys()
    for metric, value in fresh_metrics.items():
        assert metric in times or resumed_metrics[metric] == value
