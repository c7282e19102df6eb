"""Kills at random moments leave stores, outputs and reuse sound."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import PROJECT, all_runs, artifacts, children, tracking

KILLS = int(os.environ.get("FAULT_KILLS", "8"))
COMPLETE = {
    "preprocess": {"data/train.parquet", "data/test.parquet", "data/schema.json"},
    "train": {"best_estimator/MLmodel", "best_estimator/model.skops", "cv_results.csv"},
    "batch_score": {"predictions/predictions.csv"},
}


def test_kills_leave_everything_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A database, as users have it, and complete: MLflow 3.15's file store writes in place, and its
    # databases are not made in one go.
    with tracking(f"sqlite:///{tmp_path}/store.db", monkeypatch):
        MlflowClient().search_experiments()
        _kill_and_check()


def _kill_and_check() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.end_to_end.faults", str(KILLS), "1"],
        # A killed step leaves its temporary folder.
        env=os.environ | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    for step, files in COMPLETE.items():
        finished = [run for run in all_runs(step) if run.info.status == "FINISHED"]
        assert finished
        for run in finished:
            assert files <= artifacts(run.info.run_id), f"{step} looks finished and is not"
            # Scoring is never reused, so it has none.
            assert ("step.key" in run.data.tags) == (step != "batch_score")
    for run in all_runs("train"):
        if run.info.status == "FINISHED":
            nested = [child for child in children(run) if "step" not in child.data.tags]
            assert len(nested) == 2
            assert {child.info.status for child in nested} == {"FINISHED"}
    assert len(pd.read_csv("predictions.csv")) == 192
    # What the killed ones left has been removed by those after them.
    names = {path.name for path in Path.cwd().iterdir()}
    assert names == {"data", "mlruns", "predictions.csv", "store.db"}
    scores = {
        run.data.metrics["best_cv_score"]
        for run in all_runs("train")
        if "best_cv_score" in run.data.metrics
    }
    assert len(scores) == 1
