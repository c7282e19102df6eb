"""How steps find, reuse and run each other."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import DIABETES, SMALL, RunStep, all_runs, artifacts, children

DATA = {
    *("data/train.parquet", "data/test.parquet", "data/schema.json"),
    *("data/profile.json", "data/decisions.json"),
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    copy = tmp_path / "table.csv"
    copy.write_bytes(DIABETES.read_bytes())
    return copy


def test_chain_on_each_store(any_store: str, run_step: RunStep) -> None:
    prepared = run_step("preprocess", data=DIABETES)
    trained = run_step("train", n_estimators="1,2", max_depth="3")
    scored = run_step("batch_score")
    assert (prepared.code, trained.code, scored.code) == (0, 0, 0)
    assert artifacts(prepared.id) == DATA
    assert {"best_estimator/MLmodel", "cv_results.csv", "estimator.html"} <= artifacts(trained.id)
    assert "predictions/predictions.csv" in artifacts(scored.id)
    assert len(children(trained.run)) == 2
    assert trained.run.data.tags["step.upstream_run_id"] == prepared.id
    assert scored.run.data.tags["step.upstream_run_id"] == trained.id
    assert len(all_runs("preprocess")) == len(all_runs("train")) == 1
    assert {run.info.status for run in all_runs()} == {"FINISHED"}
    assert len(pd.read_csv("predictions.csv")) == 192


def test_train_runs_preprocess_in_an_empty_store(run_step: RunStep) -> None:
    trained = run_step("train", **SMALL)
    (prepared,) = all_runs("preprocess")
    assert trained.code == 0
    assert prepared.data.tags["mlflow.parentRunId"] == trained.id
    assert prepared.data.params["data"] == "data/diabetes.csv"
    assert prepared.data.metrics["rows"] == 768


def test_every_run_shows_its_own_parameters(run_step: RunStep) -> None:
    trained = run_step("train", **SMALL, metric="f1")
    assert trained.run.data.params["metric"] == "f1"
    assert trained.run.data.params["preprocess_run_id"] == "latest"
    assert all_runs("preprocess")[0].data.params["test_size"] == "0.25"


def test_latest_runs_again_what_the_data_changed(run_step: RunStep, table: Path) -> None:
    run_step("preprocess", data=table, test_size=0.3)
    run_step("train", **SMALL)
    table.write_text("\n".join(table.read_text().splitlines()[:-100]) + "\n")
    scored = run_step("batch_score")
    assert len(all_runs("preprocess")) == len(all_runs("train")) == 2
    again = all_runs("preprocess")[0]
    assert again.data.metrics["rows"] == 668
    assert again.data.params["test_size"] == "0.3"
    assert scored.run.data.tags["step.upstream_run_id"] == all_runs("train")[0].info.run_id
    assert "changed since run" in scored.out


def test_latest_uses_as_is_what_cannot_be_read_from_here(run_step: RunStep, table: Path) -> None:
    prepared = run_step("preprocess", data=table)
    table.unlink()
    trained = run_step("train", **SMALL)
    assert f"using run {prepared.id} as it is" in trained.out
    assert len(all_runs("preprocess")) == 1


def test_latest_ignores_a_failed_run(run_step: RunStep, table: Path) -> None:
    good = run_step("preprocess", data=table)
    assert run_step("preprocess", data=table, target="nothing").code == 2
    trained = run_step("train", **SMALL)
    assert trained.run.data.tags["step.upstream_run_id"] == good.id


@pytest.mark.slow
def test_main_reuses_exactly_what_has_not_changed(run_step: RunStep, table: Path) -> None:
    first = run_step("main", data=table, **SMALL)
    assert first.code == 0
    assert len(children(first.run)) == 3
    second = run_step("main", data=table, **SMALL)
    assert counts() == (1, 1, 2)
    assert "preprocess: reusing run" in second.out
    assert "train: reusing run" in second.out
    run_step("main", data=table, **SMALL, metric="f1")
    assert counts() == (1, 2, 3)
    # The same table in another place is the same input.
    moved = table.rename(table.with_name("moved.csv"))
    run_step("main", data=moved, **SMALL)
    assert counts() == (1, 2, 4)
    moved.write_text("\n".join(moved.read_text().splitlines()[:-1]) + "\n")
    run_step("main", data=moved, **SMALL)
    assert counts() == (2, 3, 5)


def test_scoring_after_main_notices_changed_data(run_step: RunStep, table: Path) -> None:
    run_step("main", data=table, **SMALL)
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    run_step("batch_score")
    assert len(all_runs("train")) == 2


def test_model_and_preprocess_run_by_id(run_step: RunStep) -> None:
    first = run_step("preprocess", data=DIABETES, seed=1)
    run_step("preprocess", data=DIABETES, seed=2)
    trained = run_step("train", preprocess_run_id=first.id, **SMALL)
    assert trained.run.data.tags["step.upstream_run_id"] == first.id
    assert run_step("batch_score", model=trained.id).code == 0
    assert run_step("batch_score", model=f"runs:/{trained.id}/best_estimator").code == 0
    folder = MlflowClient().download_artifacts(trained.id, "best_estimator", ".")
    local = run_step("batch_score", model=folder)
    assert (local.code, local.err) == (0, "")


@pytest.mark.parametrize(
    ("step", "parameters", "message"),
    [
        ("train", {"preprocess_run_id": "0" * 32}, "found no run 0000"),
        ("train", {"preprocess_run_id": "{train}"}, "found a run of train"),
        ("batch_score", {"model": "{preprocess}"}, "found a run of preprocess"),
        ("batch_score", {"model": "{failed}"}, "found no best_estimator there"),
        ("batch_score", {"model": "no/such/folder"}, "found no MLmodel file there"),
    ],
)
def test_wrong_run(
    train_id: str, run_step: RunStep, step: str, parameters: dict[str, str], message: str
) -> None:
    failed = run_step("train", **SMALL, metric="r2")
    known = {
        "train": train_id,
        "failed": failed.id,
        "preprocess": all_runs("preprocess")[0].info.run_id,
    }
    ended = run_step(step, **{name: value.format(**known) for name, value in parameters.items()})
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert ended.run.info.status == "FAILED"


def test_what_was_scored_is_known_by_its_digest(
    train_id: str, run_step: RunStep, table: Path
) -> None:
    def digest() -> str:
        return str(run_step("batch_score", input=table).run.data.tags["input.digest"])

    first = digest()
    assert digest() == first
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    assert digest() != first


def counts() -> tuple[int, ...]:
    return tuple(len(all_runs(step)) for step in ("preprocess", "train", "batch_score"))


def test_latest_finds_an_older_run_with_the_right_key(run_step: RunStep, table: Path) -> None:
    whole = table.read_text()
    first = run_step("preprocess", data=table)
    table.write_text("\n".join(whole.splitlines()[:-100]) + "\n")
    run_step("preprocess", data=table)
    table.write_text(whole)
    trained = run_step("train", **SMALL)
    assert trained.run.data.tags["step.upstream_run_id"] == first.id
    assert len(all_runs("preprocess")) == 2


@pytest.mark.slow
def test_a_run_whose_artifacts_are_gone_is_made_again(run_step: RunStep) -> None:
    first = run_step("main", **SMALL)
    assert first.code == 0
    model = Path(unquote(urlsplit(all_runs("train")[0].info.artifact_uri).path), "best_estimator")
    (model / "model.skops").unlink()
    assert run_step("main", **SMALL).code == 0
    assert counts() == (1, 2, 2)
    data = all_runs("preprocess")[0].info.artifact_uri
    shutil.rmtree(unquote(urlsplit(data).path))
    assert run_step("main", **SMALL).code == 0
    # The held-out rows of the model were there.
    assert counts() == (2, 3, 3)
    assert run_step("batch_score").code == 0


@pytest.mark.slow
def test_a_report_is_made_for_who_asks_for_it(run_step: RunStep) -> None:
    small = {"n_estimators": "2", "max_depth": "2"}
    run_step("main", **small, report="false")
    run_step("main", **small, report="true")
    assert counts() == (1, 2, 2)
    assert "report.html" in artifacts(all_runs("train")[0].info.run_id)
    run_step("main", **small, report="false")
    assert counts() == (1, 2, 3)


def test_fresh_reuses_nothing(run_step: RunStep) -> None:
    run_step("main", **SMALL)
    again = run_step("main", **SMALL, fresh="true")
    assert again.code == 0
    assert counts() == (2, 2, 2)
    prepared, trained = all_runs("preprocess")[0], all_runs("train")[0]
    assert trained.data.tags["step.upstream_run_id"] == prepared.info.run_id
    assert trained.data.params["resume"] == "false"
    assert "reusing" not in again.out


def test_a_bad_combination_is_told_before_any_step_of_main_runs(run_step: RunStep) -> None:
    ended = run_step("main", **SMALL, must_beat="champion")
    assert ended.code == 2
    assert "expected a registered_model" in ended.err
    assert counts() == (0, 0, 0)
