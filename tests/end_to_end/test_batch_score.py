"""batch_score as it is launched: what the run records."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import mlflow
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient

from steps.base.errors import DRIFT
from steps.store import artifacts as store_artifacts
from tests.conftest import DIABETES, PROJECT, SMALL, RunStep, all_runs, artifacts

OUTPUT = "predictions.csv"


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.read_csv(DIABETES)


def test_run_of_the_holdout(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    ended = run_step("batch_score")
    run = ended.run
    assert ended.code == 0
    assert run.data.tags["model.uri"] == f"runs:/{train_id}/best_estimator"
    assert run.data.tags["model.run_id"] == run.data.tags["step.upstream_run_id"] == train_id
    assert artifacts(ended.id) == {f"predictions/{OUTPUT}", "drift.html"}
    metrics = run.data.metrics
    assert metrics["rows_scored"] == metrics["rows_labelled"] == 192
    assert metrics["rows_rejected"] == 0
    assert metrics["rows_per_second"] > 0
    frame = pd.read_csv(tmp_path / OUTPUT)
    assert metrics["predicted_positive_rate"] == pytest.approx(frame["prediction"].mean())
    trained = MlflowClient().get_run(train_id).data.metrics
    for name in ("roc_auc", "precision", "recall", "f1", "accuracy"):
        assert metrics[f"scored_{name}"] == pytest.approx(trained[f"test_{name}"], abs=1e-12)
    psi = {name: value for name, value in metrics.items() if name.startswith("drift.psi.")}
    assert len(psi) == 8
    assert metrics["drift.max_psi"] == max(psi.values())
    assert run.data.tags["drift"] == "no"
    assert "warning" not in ended.err


def test_equal_to_the_logged_models_own_predictions(
    train_id: str, run_step: RunStep, table: pd.DataFrame, tmp_path: Path
) -> None:
    run_step("batch_score", model=train_id, input=DIABETES, output="p.parquet")
    found = pd.read_parquet(tmp_path / "p.parquet")
    model = mlflow.sklearn.load_model(f"runs:/{train_id}/best_estimator")
    features = table.drop(columns="Outcome").astype("float64")
    assert (found["prediction"] == model.predict(features)).all()
    assert (found["probability"] == model.predict_proba(features)[:, 1]).all()


def test_artifact_of_a_run_as_input(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    preprocess_id = all_runs("preprocess")[0].info.run_id
    ended = run_step("batch_score", input=f"runs:/{preprocess_id}/data/train.parquet")
    assert ended.run.data.metrics["rows_scored"] == 576
    # The training rows have not drifted from themselves.
    assert ended.run.data.metrics["drift.max_psi"] == 0
    path = MlflowClient().download_artifacts(preprocess_id, "data/train.parquet", str(tmp_path))
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert ended.run.data.tags["input.digest"] == digest


def test_main_downloads_its_input_once(run_step: RunStep, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = run_step("preprocess").id
    fetched: list[str] = []
    fetch = store_artifacts.fetch

    def count(uri: str, folder: Path) -> Path:
        fetched.append(uri)
        return fetch(uri, folder)

    monkeypatch.setattr(store_artifacts, "fetch", count)
    address = f"runs:/{prepared}/data/test.parquet"
    ended = run_step("main", input=address, **SMALL)
    assert (ended.code, ended.err) == (0, "")
    assert fetched.count(address) == 1
    assert all_runs("batch_score")[0].data.params["input"] == address


def test_registered_model(train_id: str, run_step: RunStep) -> None:
    mlflow.register_model(f"runs:/{train_id}/best_estimator", "diabetes")
    MlflowClient().set_registered_model_alias("diabetes", "champion", "1")
    for uri in ("models:/diabetes/1", "models:/diabetes@champion"):
        tags = run_step("batch_score", model=uri).run.data.tags
        # An alias may move on; what it meant is recorded.
        assert tags["model.uri"] == "models:/diabetes/1"
        assert (tags["model.run_id"], tags["model.version"]) == (train_id, "1")


def test_large_predictions_are_not_logged(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    for output in (OUTPUT, "folder"):
        ended = run_step("batch_score", output=output, log_predictions_up_to="0.000001")
        assert artifacts(ended.id) == {"drift.html"}
        assert ended.run.data.tags["predictions.path"] == str(tmp_path / output)
    digest = hashlib.sha256((tmp_path / OUTPUT).read_bytes()).hexdigest()
    assert all_runs("batch_score")[1].data.tags["predictions.digest"] == digest
    ended = run_step("batch_score", output="folder")
    assert artifacts(ended.id) == {"drift.html", "predictions/folder/part-000000.parquet"}


def test_quarantine_is_recorded(
    train_id: str, run_step: RunStep, table: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(table.to_csv(index=False) + "1,2\n")
    ended = run_step("batch_score", input="t.csv")
    assert (ended.code, ended.run.info.status) == (2, "FAILED")
    assert "t.csv, row 769 (line 770): expected 9 fields, found 2" in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / OUTPUT).exists()
    ended = run_step("batch_score", input="t.csv", on_bad_rows="quarantine")
    assert ended.run.data.metrics["rows_rejected"] == 1
    assert "1 bad row left out, to " in ended.out
    assert f"predictions/{OUTPUT}.rejected.csv" in artifacts(ended.id)


def test_drift(train_id: str, run_step: RunStep, table: pd.DataFrame, tmp_path: Path) -> None:
    table.assign(Age=table["Age"] + 20).to_csv(tmp_path / "t.csv", index=False)
    ended = run_step("batch_score", input="t.csv")
    assert ended.code == 0
    assert ended.err.count("\n") == 1
    assert "population stability index over 0.2 for Age" in ended.err
    assert ended.run.data.metrics["drift.psi.Age"] > 0.2
    assert ended.run.data.tags["drift"] == "yes"
    page = MlflowClient().download_artifacts(ended.id, "drift.html", str(tmp_path))
    assert Path(page).read_text().count("<svg") == 8
    (tmp_path / OUTPUT).unlink()
    ended = run_step("batch_score", input="t.csv", on_drift="fail")
    assert (ended.code, ended.run.info.status) == (DRIFT, "FINISHED")
    assert len(pd.read_csv(tmp_path / OUTPUT)) == 768
    assert run_step("batch_score", input="t.csv", drift_threshold=50).err == ""


def saved_model(train_id: str, folder: Path, **metadata: Any) -> Path:
    """Copy a run's model to a folder, with other metadata."""
    path = Path(MlflowClient().download_artifacts(train_id, "best_estimator", str(folder)))
    described = yaml.safe_load((path / "MLmodel").read_text())
    described["metadata"] |= metadata
    (path / "MLmodel").write_text(json.dumps(described))
    return path


def test_trained_with_another_version(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    model = saved_model(train_id, tmp_path, versions={"scikit-learn": "1.8.2"})
    ended = run_step("batch_score", model=model)
    assert ended.code == 0
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("warning: expected scikit-learn 1.8.2")
    ended = run_step("batch_score", model=model, strict="true", output="strict.csv")
    assert (ended.code, ended.run.info.status) == (2, "FAILED")
    assert not (tmp_path / "strict.csv").exists()


def test_threshold_of_the_model(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    model = saved_model(train_id, tmp_path, threshold=0.2)
    run_step("batch_score", model=model)
    found = pd.read_csv(tmp_path / OUTPUT)
    assert (found["prediction"] == (found["probability"] >= 0.2)).all()


def test_model_from_elsewhere_has_no_profile(
    train_id: str, run_step: RunStep, tmp_path: Path
) -> None:
    model = saved_model(train_id, tmp_path, preprocess_run_id="0" * 32)
    ended = run_step("batch_score", model=model, input=DIABETES)
    assert ended.code == 0
    assert "drift is not watched" in ended.out
    assert not [name for name in ended.run.data.metrics if name.startswith("drift")]
    ended = run_step("batch_score", model=model, input=DIABETES, on_drift="fail")
    assert ended.code == 2
    assert "on_drift=fail needs the training profile" in ended.err


def test_delimiter_of_the_training_data(
    run_step: RunStep, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_csv(tmp_path / "t.csv", index=False, sep=";")
    run_step("preprocess", data="t.csv", delimiter=";")
    run_step("train", **SMALL)
    assert run_step("batch_score", input="t.csv").run.data.metrics["rows_scored"] == 768
    ended = run_step("batch_score", input=DIABETES)
    assert "is the delimiter ','?" in ended.err
    assert run_step("batch_score", input=DIABETES, delimiter=",").code == 0


@pytest.mark.parametrize("labels", [("no", "yes"), (False, True)])
def test_other_labels(
    labels: tuple[Any, Any], run_step: RunStep, table: pd.DataFrame, tmp_path: Path
) -> None:
    table["Outcome"] = [labels[value] for value in table["Outcome"]]
    table.to_csv(tmp_path / "t.csv", index=False)
    run_step("preprocess", data="t.csv")
    run_step("train", **SMALL)
    for output in (OUTPUT, "p.parquet"):
        ended = run_step("batch_score", input="t.csv", output=output, probabilities="all")
        path = tmp_path / output
        found = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        assert set(found["prediction"]) == set(labels)
        assert list(found)[-2:] == [f"probability_{label}" for label in labels]
        assert found["Outcome"].tolist() == table["Outcome"].tolist()
        accuracy = (found["prediction"] == found["Outcome"]).mean()
        assert ended.run.data.metrics["scored_accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("runs:/abc/p.csv", "parameter output: expected a path, or the URI of a file or folder"),
        ("azureml:table:3", "parameter output: expected a path, or the URI of a file or folder"),
        ("nowhere://bucket/p.csv", "could not read nowhere://bucket/p.csv: "),
        ("memory://in/p.csv", "expected an output apart from what is read"),
        ("memory://out/set", "expected an output on storage that all workers share as a folder"),
    ],
)
def test_outputs_that_cannot_be_written(run_step: RunStep, output: str, words: str) -> None:
    ended = run_step("batch_score", input="memory://in", output=output, scheduler="local")
    assert ended.code == 2
    assert words in ended.err


def test_remote_outputs(run_step: RunStep, train_id: str, tmp_path: Path) -> None:
    """A local process of its own would have another memory: the step runs in this one."""
    remote = fsspec.filesystem("memory")
    here = {"model": train_id, "on_bad_rows": "quarantine", "input": "t.csv"}
    pd.concat([pd.read_csv(DIABETES)] * 2).to_csv(tmp_path / "t.csv", index=False)
    with (tmp_path / "t.csv").open("a") as table:
        table.write("x,1,1,1,1,1,1,1,1\n")
    for output in ("p.csv", "set"):
        assert run_step("batch_score", output=output, **here).code == 0
        done = run_step("batch_score", output=f"memory://out/{output}", **here)
        assert done.code == 0, done.err
        assert f" rows to memory://out/{output}, " in done.out
        names = sorted(p.name for p in (tmp_path / output).iterdir()) if output == "set" else [""]
        for name in names:
            written = (tmp_path / output / name).read_bytes()
            assert remote.cat_file(f"/out/{output}/{name}".rstrip("/")) == written
        rejected = (tmp_path / f"{output}.rejected.csv").read_bytes()
        assert remote.cat_file(f"/out/{output}.rejected.csv") == rejected
    # Of an older, larger set nothing is left; nothing else is touched.
    remote.pipe_file("/out/set/part-000009.parquet", b"old")
    assert run_step("batch_score", output="memory://out/set", **here).code == 0
    assert not remote.exists("/out/set/part-000009.parquet")
    remote.pipe_file("/out/set/letters.txt", b"dear")
    refused = run_step("batch_score", output="memory://out/set", **here)
    assert refused.code == 2
    assert "found /out/set/letters.txt in memory://out/set; choose another output" in refused.err


def test_nothing_is_imported_that_is_not_needed(train_id: str) -> None:
    code = (
        "import sys, steps.batch_score as b; from steps.cli import launch; "
        f"code = launch(b.STEP, ['--model={train_id}']); "
        "unwanted = {'matplotlib', 'mlflow.pyfunc', 'distributed', 'dask', 'azureml.core'} "
        "& set(sys.modules); "
        "sys.stderr.write(f'{code} {sorted(unwanted)}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "0 []"
