"""The commands of the README, through the real `mlflow run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import DIABETES, PROJECT, RunStep, all_runs, artifacts, children, tracking


def mlflow_run(entry_point: str, **parameters: object) -> subprocess.CompletedProcess[str]:
    """Type `mlflow run . -e <entry point> -P ... --env-manager local`."""
    command = [sys.executable, "-m", "mlflow", "run", str(PROJECT), "--env-manager", "local"]
    command += ["-e", entry_point, "--experiment-name", os.environ["MLFLOW_EXPERIMENT_NAME"]]
    for name, value in parameters.items():
        command += ["-P", f"{name}={value}"]
    # `python` of the project's commands is the one on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )


# The file store is that of most tests here; a database that `main` makes, of the next one.
@pytest.mark.parametrize("any_store", ["http"], indirect=True)
def test_train_in_an_empty_store_then_score(any_store: str, tmp_path: Path) -> None:
    trained = mlflow_run("train", max_depth=3)
    assert trained.returncode == 0, trained.stderr
    (run,) = all_runs("train")
    nested = children(run)
    candidates = [child for child in nested if "step" not in child.data.tags]
    assert sorted(child.data.params["clf__n_estimators"] for child in candidates) == ["1", "2", "3"]
    scored = mlflow_run("batch_score", output=tmp_path / "out.parquet")
    assert scored.returncode == 0, scored.stderr
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 192
    assert all_runs("batch_score")[0].data.tags["step.upstream_run_id"] == run.info.run_id
    assert {run.info.status for run in all_runs()} == {"FINISHED"}


@pytest.mark.chain
@pytest.mark.parametrize("any_store", ["sqlite"], indirect=True)
def test_main_then_main_again(any_store: str, tmp_path: Path) -> None:
    first = mlflow_run("main", output=tmp_path / "one.csv")
    assert first.returncode == 0, first.stderr
    again = mlflow_run("main", output=tmp_path / "two.csv")
    assert again.returncode == 0, again.stderr
    assert [len(all_runs(step)) for step in ("preprocess", "train", "batch_score")] == [1, 1, 2]
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_missed_gate_fails_the_command_and_tells_why() -> None:
    ended = mlflow_run("train", n_estimators=2, max_depth=2, minimum="test_roc_auc=0.99")
    # Of the step's exit code 4 `mlflow run` makes 1. It marks the run FAILED although the step
    # has ended it as FINISHED: MLflow 3.15 compares the status, a word, with numbers.
    assert ended.returncode == 1
    (run,) = all_runs("train")
    assert run.info.status == "FAILED"
    assert run.data.tags["gate"] == "failed"
    assert "gate failed: test_roc_auc 0." in ended.stdout
    assert {"best_estimator/MLmodel", "report.html"} <= artifacts(run.info.run_id)


def test_the_same_run_however_launched(run_step: RunStep) -> None:
    mlflow_run("preprocess", data=DIABETES, delimiter=",")
    run_step("preprocess", data=DIABETES, delimiter=",")
    direct, launched = all_runs("preprocess")
    assert direct.data.params == launched.data.params
    assert direct.data.metrics == launched.data.metrics
    for tag in ("step.key", "step.output_digest"):
        assert direct.data.tags[tag] == launched.data.tags[tag]


def test_bad_input_fails_the_run() -> None:
    ended = mlflow_run("preprocess", data="nowhere.csv")
    assert ended.returncode != 0
    assert "error: expected a file at nowhere.csv" in ended.stderr
    assert f"found nothing there (relative paths start at {PROJECT})" in ended.stderr
    assert "Traceback" not in ended.stderr
    (run,) = all_runs()
    assert run.info.status == "FAILED"


def test_a_bad_parameter_fails_the_run_and_a_secret_is_masked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "canary-31d7"
    address = f"https://user:{secret}@127.0.0.1/x.csv?sig={secret}"
    with tracking(f"sqlite:///{tmp_path}/store.db", monkeypatch):
        ended = mlflow_run("preprocess", data=address, cv_folds=address)
        (run,) = all_runs()
    assert "error: unrecognized arguments: --cv_folds https://***@127.0.0.1/x.csv" in ended.stderr
    assert f"secret in cv_folds, data of run {run.info.run_id}; it is masked there" in ended.stderr
    assert run.info.status == "FAILED"
    assert run.data.params["data"] == "'https://***@127.0.0.1/x.csv?sig=***'"
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]


def test_no_parameter_is_shell_text(tmp_path: Path) -> None:
    odd = tmp_path / "a b'c\";$(touch hacked)`touch hacked`"
    odd.mkdir()
    table = pd.read_csv(DIABETES).head(20).assign(note=["=1+1", "+1", "-1", "@SUM(A1)"] * 5)
    table.to_csv(odd / "new; rows.csv", index=False)
    (odd / "grid $HOME.yaml").write_text("clf__n_estimators: [2]\nclf__max_depth: [2]\n")
    data = odd / "=1+1;`touch hacked`&.csv"
    data.write_bytes(DIABETES.read_bytes())
    output = odd / "p; $(touch hacked) & 'q'.csv"
    files = {"grid": odd / "grid $HOME.yaml", "input": odd / "new; rows.csv", "output": output}
    ended = mlflow_run("main", data=data, **files)
    assert ended.returncode == 0, ended.stderr
    assert all_runs("train")[0].data.params["best_clf__n_estimators"] == "2"
    # What a spreadsheet would take for a formula is passed on as it is.
    assert pd.read_csv(output)["note"].tolist() == table["note"].tolist()
    assert not list(tmp_path.rglob("hacked"))
    assert not list(PROJECT.glob("hacked"))
