"""The entry point `monitor`, on real stores."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from steps.base.errors import StepError
from steps.base.parameters import defaults, parse
from steps.monitor import MonitorParameters, wanted_runs
from steps.store.monitored_runs import LATE_LABELS
from tests.conftest import DIABETES, SMALL, Ended, RunStep, all_runs, artifacts, tracking
from tests.store.test_children import counted

CHAMPION = "models:/diabetes@champion"


def week(number: int, rows: int = 120) -> pd.DataFrame:
    """Draw a table like the reference data, with identifiers of its own."""
    random = np.random.default_rng(number)
    drawn = pd.read_csv(DIABETES).iloc[random.integers(0, 768, rows)].reset_index(drop=True)
    drawn.insert(0, "id", [f"{number}-{row}" for row in range(rows)])
    return drawn


@pytest.fixture
def score(run_step: RunStep, tmp_path: Path) -> Any:
    def run(table: pd.DataFrame, model: str = CHAMPION, **parameters: object) -> Ended:
        table.drop(columns="Outcome").to_csv(tmp_path / "week.csv", index=False)
        ended = run_step("batch_score", model=model, input="week.csv", **parameters)
        assert ended.code == 0, ended.err
        return ended

    return run


def test_from_scoring_to_late_labels(any_store: str, run_step: RunStep, score: Any) -> None:
    trained = run_step("train", **SMALL, registered_model="diabetes")
    tables = [week(number) for number in range(3)]
    scored = [score(table).id for table in tables]

    fine = run_step("monitor", model=CHAMPION)
    assert fine.code == 0, fine.err
    assert artifacts(fine.id) == {"monitor.html"}
    assert fine.run.data.tags["monitor"] == "ok"
    assert fine.run.data.metrics["windows"] == 3
    assert "3 scoring runs of the registered model diabetes" in fine.out

    # Labels of the first two weeks, and of people whom nobody has scored.
    labels = pd.concat([*tables[:2], week(9)])[["id", "Outcome"]]
    labels.to_csv("labels.csv", index=False)
    late = run_step("monitor", model=trained.id, labels="labels.csv", key="id")
    assert late.code == 0, late.err
    assert "120 of 120 predictions have a label" in late.out
    runs = {run.info.run_id: run for run in all_runs("batch_score")}
    for run_id, table in zip(scored[:2], tables[:2], strict=True):
        metrics = runs[run_id].data.metrics
        predicted = pd.read_csv(_predictions(run_id))["prediction"]
        right = (predicted.to_numpy() == table["Outcome"].to_numpy()).mean()
        assert metrics["late_accuracy"] == pytest.approx(right)
        assert metrics["late_accuracy_low"] < right < metrics["late_accuracy_high"]
        assert metrics["late_rows_labelled"] == 120
    assert "late_accuracy" not in runs[scored[2]].data.metrics
    assert all(LATE_LABELS in run.data.tags for run in runs.values())

    # The same labels are not scored again; others are.
    again = run_step("monitor", model="latest", labels="labels.csv", key="id")
    assert "predictions have a label" not in again.out
    pd.concat([labels, tables[2][["id", "Outcome"]]]).to_csv("labels.csv", index=False)
    more = run_step("monitor", labels="labels.csv", key="id")
    assert more.out.count("120 of 120 predictions have a label") == 3
    client = MlflowClient()
    assert len(client.get_metric_history(scored[0], "late_accuracy")) == 1
    assert len(client.get_metric_history(scored[2], "late_accuracy")) == 1


def _predictions(run_id: str) -> str:
    run = MlflowClient().get_run(run_id)
    uri = f"{run.info.artifact_uri}/predictions/predictions.csv"
    return str(mlflow.artifacts.download_artifacts(uri))


def test_an_alert_is_one_line_a_tag_and_an_exit_code(run_step: RunStep, score: Any) -> None:
    run_step("train", **SMALL, registered_model="diabetes")
    score(week(0, 300))
    score(week(1, 300).assign(Glucose=lambda frame: frame["Glucose"] + 60))
    warned = run_step("monitor")
    assert warned.code == 0
    (alert,) = [line for line in warned.err.splitlines() if "alert: " in line]
    assert "feature Glucose has drifted: PSI" in alert
    assert "look at drift.html of run" in alert
    failed = run_step("monitor", on_alert="fail")
    assert failed.code == 3
    found = all_runs(monitor="alert")
    assert {run.info.run_id for run in found} == {warned.id, failed.id}
    assert found[0].data.tags["monitor.alert"] in alert
    assert {run.info.status for run in found} == {"FINISHED"}


def test_minimum_of_the_newest_window(run_step: RunStep, score: Any) -> None:
    run_step("train", **SMALL, registered_model="diabetes")
    score(week(0))
    missed = run_step("monitor", minimum="test_accuracy=0.99", on_alert="fail")
    assert missed.code == 3
    assert "score accuracy is 0." in missed.err
    assert "(an estimate, without labels), minimum 0.99" in missed.err
    unknown = run_step("monitor", minimum="test_pr_auc=0.99", on_alert="fail")
    assert unknown.code == 0
    assert "test_pr_auc is not known of any window with labels" in unknown.err


def test_each_version_and_where_the_champion_changed(run_step: RunStep, score: Any) -> None:
    run_step("train", **SMALL, registered_model="diabetes")
    score(week(0))
    second = run_step("train", **SMALL | {"max_depth": "1"}, registered_model="diabetes")
    score(week(1), "models:/diabetes/2")
    both = run_step("monitor", model=CHAMPION)
    assert both.run.data.metrics["windows"] == 2
    page = Path(mlflow.artifacts.download_artifacts(run_id=both.id, artifact_path="monitor.html"))
    text = page.read_text(encoding="utf-8")
    assert text.count('class="mark"') >= 2
    assert ">version 1</text>" in text
    assert second.id in text
    alone = run_step("monitor", model="models:/diabetes/2")
    assert alone.run.data.metrics["windows"] == 1


def test_predictions_that_were_written_again_are_told(run_step: RunStep, score: Any) -> None:
    run_step("train", **SMALL, registered_model="diabetes")
    tables = [week(0), week(1)]
    scored = [score(table, log_predictions_up_to=0).id for table in tables]
    pd.concat(tables)[["id", "Outcome"]].to_csv("labels.csv", index=False)
    ended = run_step("monitor", labels="labels.csv", key="id")
    assert ended.code == 0
    assert f"no late scores for run {scored[0]}" in ended.err
    assert "the file was written again" in ended.err
    newest = MlflowClient().get_run(scored[1]).data.metrics
    assert newest["late_rows_labelled"] == 120


def test_a_second_step_of_a_job_has_a_run_of_its_own(
    run_step: RunStep, score: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in score.yml: both steps find the run of the job in their environment."""
    run_step("train", **SMALL, registered_model="diabetes")
    job = MlflowClient().create_run(all_runs()[0].info.experiment_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", job.info.run_id)
    assert score(week(0)).id == job.info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", job.info.run_id)
    ended = run_step("monitor", model=CHAMPION)
    assert ended.code == 0, ended.err
    assert ended.run.data.tags["mlflow.parentRunId"] == job.info.run_id
    assert MlflowClient().get_run(job.info.run_id).data.tags["step"] == "batch_score"


def test_a_handful_of_requests_for_a_hundred_runs(
    mlflow_server: str, run_step: RunStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(mlflow_server) as (address, seen), tracking(address, monkeypatch):
        client = MlflowClient()
        experiment = client.create_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
        for number in range(100):
            run = client.create_run(experiment, start_time=1_770_000_000_000 + number * 86_400_000)
            client.log_batch(
                run.info.run_id,
                metrics=[
                    Metric("rows_scored", 100.0, 0, 0),
                    *(Metric(f"drift.psi.x{at}", 0.1, 0, 0) for at in range(20)),
                ],
                params=[Param("output", "p.csv")],
                tags=[RunTag("step", "batch_score"), RunTag("model.name", "diabetes")],
            )
        seen.clear()
        ended = run_step("monitor", model=CHAMPION, runs="latest:100")
        assert ended.code == 0, ended.err
        assert ended.run.data.metrics["windows"] == 100
        searches = [request for request in seen if request.path.endswith("runs/search")]
        # `run_step` itself searches once, afterwards.
        assert len(searches) <= 2
        reads = [request for request in seen if request.path.endswith(("runs/get", "list"))]
        assert len(reads) <= 5
        assert len(seen) < 25


def test_runs_since_a_date(run_step: RunStep, score: Any) -> None:
    run_step("train", **SMALL, registered_model="diabetes")
    score(week(0))
    assert run_step("monitor", runs=f"{datetime.now(UTC):%Y-%m-%d}").code == 0
    ended = run_step("monitor", runs="2999-01-01")
    assert ended.code == 2
    assert "in this experiment since 2999-01-01, found none" in ended.err


def test_nothing_to_monitor(run_step: RunStep) -> None:
    ended = run_step("monitor")
    assert ended.code == 2
    assert "expected batch_score runs in this experiment, found none" in ended.err
    ended = run_step("monitor", model=CHAMPION)
    assert "of the registered model diabetes in this experiment, found none" in ended.err


@pytest.mark.parametrize("model", ["models:/a'b/3x", "models:/", "s3://bucket/model", "../x"])
def test_what_is_no_model(model: str, run_step: RunStep) -> None:
    ended = run_step("monitor", model=model)
    assert ended.code == 2
    assert "expected a model, found" in ended.err


def test_runs_are_read() -> None:
    assert wanted_runs("latest:3") == 3
    assert wanted_runs("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    for text in ("latest:0", "latest", "31.1.2026", ""):
        with pytest.raises(ValueError, match="latest:<count>, or a date"):
            wanted_runs(text)


@pytest.mark.parametrize("given", [{"labels": "l.csv"}, {"key": "id"}])
def test_labels_and_key_belong_together(given: dict[str, str]) -> None:
    with pytest.raises(StepError, match=r"expected (labels|key) beside it, found none"):
        parse(MonitorParameters, defaults(MonitorParameters) | given)
