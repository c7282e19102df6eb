"""The steps as Python functions: the same runs as the commands, under whatever run is active."""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from pandas.testing import assert_frame_equal, assert_index_equal

from steps import api
from steps.base.arguments import as_text
from steps.base.errors import StepError
from tests.conftest import DIABETES, RunStep, all_runs

SMALL: Any = {"n_estimators": [2], "max_depth": [2], "report": False, "jobs": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (np.int64(3), "3"),
        (0.25, "0.25"),
        ([2, None], "2,none"),
        ((), "none"),
        (date(2026, 1, 31), "2026-01-31"),
        (pd.Index(["a", "b"]), "a,b"),
        (np.array([1, 2]), "1,2"),
        ({"test_roc_auc": 0.8, "test_recall": 1}, "test_roc_auc=0.8,test_recall=1"),
        ({"clf__max_depth": [2, None]}, '{"clf__max_depth": [2, null]}'),
        ([{"clf__max_depth": [2]}], '[{"clf__max_depth": [2]}]'),
    ],
)
def test_values_are_written_as_they_are_typed(value: Any, text: str) -> None:
    assert as_text("some", value) == text


@pytest.mark.parametrize("value", [["a,b"], {"clf__class_weight": [object()]}])
def test_a_value_that_no_text_holds_is_refused(value: Any) -> None:
    with pytest.raises(StepError, match="parameter drop: expected"):
        as_text("drop", value)


def test_the_chain_below_an_active_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # Steps that earlier tests ran as scripts do in this process have set it for good.
    monkeypatch.delenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", raising=False)
    frame = pd.read_csv(DIABETES)
    rows = frame.drop(columns="Outcome").sample(40, random_state=1)
    rows["patient"] = rows.index
    with mlflow.start_run() as mine:
        prepared = api.preprocess(frame, seed=3)
        trained = api.train(prepared, minimum={"test_roc_auc": 1.0}, **SMALL)
        scored = api.batch_score(rows, model=trained, keep=["patient"])
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == mine.info.run_id
    for one in (prepared, trained, scored):
        run = mlflow.get_run(one.run_id)
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == mine.info.run_id
        assert run.data.metrics == one.metrics
    assert mlflow.get_run(prepared.run_id).data.params["data"] == "DataFrame"
    assert not trained.passed_gate
    assert not scored.drifted
    assert scored.predictions is not None
    assert_index_equal(scored.predictions.index, rows.index)
    assert list(scored.predictions) == ["patient", "prediction", "probability"]
    loaded = mlflow.sklearn.load_model(trained.model_uri)
    np.testing.assert_array_equal(
        scored.predictions["probability"], loaded.predict_proba(rows)[:, 1]
    )
    assert "MLFLOW_RUN_ID" not in os.environ
    # What was set for a while is as it was.
    assert "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR" not in os.environ

    labels = frame[["Outcome"]].assign(patient=frame.index)
    watched = api.monitor(
        trained, labels=labels, key="patient", minimum={"test_accuracy": 1.0}, runs=date(2026, 1, 1)
    )
    assert watched.alerted
    late = mlflow.get_run(scored.run_id).data.metrics
    assert late["late_rows_labelled"] == 40
    assert late["late_accuracy"] < 1
    recorded = mlflow.get_run(watched.run_id).data
    assert recorded.params["labels"] == "DataFrame"
    assert "minimum 1" in recorded.tags["monitor.alert"]


def test_functions_and_commands_give_the_same(run_step: RunStep) -> None:
    prepared = api.preprocess(DIABETES)
    trained = api.train(prepared, **SMALL)
    scored = api.batch_score(model=trained, output="mine.csv")
    assert scored.predictions is None
    typed = {"n_estimators": "2", "max_depth": "2", "report": "false", "jobs": "1"}
    typed["preprocess_run_id"] = prepared.run_id
    assert run_step("train", **typed).code == 0
    assert run_step("batch_score", output="typed.csv").code == 0
    assert_frame_equal(pd.read_csv("mine.csv"), pd.read_csv("typed.csv"))
    own = mlflow.get_run(trained.run_id).data
    assert all_runs("train")[0].data.params == own.params


def test_bad_input_is_one_line_and_leaves_no_finished_run() -> None:
    with pytest.raises(StepError, match="did you mean max_depth"):
        api.train(max_dept=3)  # type: ignore[call-arg]
    with pytest.raises(StepError, match="expected a file at nowhere"):
        api.preprocess("nowhere.csv")
    mixed = pd.DataFrame({"a": [1, "x"], "b": [0, 1]})
    with pytest.raises(StepError, match="expected a frame whose columns"):
        api.preprocess(mixed, target="b")
    with pytest.raises(StepError, match="give output="):
        api.batch_score(mixed, on_bad_rows="quarantine")
    assert mlflow.active_run() is None
    client = MlflowClient()
    ids = [one.experiment_id for one in client.search_experiments()]
    assert all(run.info.status == "FAILED" for run in client.search_runs(ids))


def test_no_secret_is_in_an_error() -> None:
    with pytest.raises(StepError) as caught:
        api.preprocess("http://me:hidden@127.0.0.1:9/table.csv?sig=hidden")
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__
