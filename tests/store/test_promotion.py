"""Train with a gate and a registry, end to end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path

from steps.store.registry import CHAMPION, Registry
from tests.conftest import DIABETES, PROJECT, Ended, RunStep, all_runs, artifacts

pytestmark = pytest.mark.slow

# One stump, and a forest that is better beyond doubt.
WEAK = {"n_estimators": "1", "max_depth": "1", "report": "false"}
STRONG = {"n_estimators": "60", "max_depth": "6", "report": "false"}


@pytest.fixture
def name() -> str:
    """Name a model of this test's own: a server's registry outlives it."""
    return f"model-{time.time_ns()}"


def registered(name: str) -> dict[str, str]:
    return {str(v.version): v.tags[CHAMPION] for v in Registry(MlflowClient(), name).versions()}


def decision(ended: Ended) -> str:
    return str(ended.run.data.tags["gate.decision"])


# tests/store/test_registry.py has each kind of store.
@pytest.mark.parametrize("any_store", ["sqlite"], indirect=True)
def test_first_champion_then_equal_worse_and_better_ones(
    any_store: str, run_step: RunStep, name: str
) -> None:
    first = run_step("train", **WEAK, registered_model=name, minimum="test_roc_auc=0.5")
    assert first.code == 0
    assert first.run.data.tags["gate"] == "passed"
    assert "the champion, as there is no other" in decision(first)
    assert registered(name) == {"1": "true"}

    equal = run_step("train", **WEAK, registered_model=name)
    assert equal.code == 0
    assert "not champion: a tie with champion version 1" in decision(equal)
    assert registered(name) == {"1": "true", "2": "false"}

    better = run_step("train", **STRONG, registered_model=name, must_beat="champion")
    assert better.code == 0
    assert "the new champion: better than champion version 1" in decision(better)
    assert registered(name) == {"1": "false", "2": "false", "3": "true"}

    worse = run_step("train", **WEAK, registered_model=name, must_beat="champion")
    assert worse.code == 4
    assert worse.run.info.status == "FINISHED"
    assert worse.run.data.tags["gate"] == "failed"
    assert "worse than champion version 3" in decision(worse)
    assert registered(name) == {"1": "false", "2": "false", "3": "true"}

    champion = Registry(MlflowClient(), name).named(CHAMPION)
    assert champion is not None
    assert champion.run_id == better.id
    assert champion.tags["train_run_id"] == better.id
    assert champion.tags["gate.decision"] == decision(better)
    assert champion.tags["gate.difference"].startswith("roc_auc +0.1")

    scored = run_step("batch_score", model=f"models:/{name}@champion")
    assert scored.code == 0
    assert scored.run.data.tags["step.upstream_run_id"] == better.id
    assert len(pd.read_csv("predictions.csv")) == 192
    for end in ("/1", "/latest"):
        assert run_step("batch_score", model=f"models:/{name}{end}").code == 0


def test_a_missed_minimum_registers_nothing(run_step: RunStep, name: str) -> None:
    ended = run_step("train", **WEAK, registered_model=name, minimum="test_recall=0.99")
    assert ended.code == 4
    assert ended.run.info.status == "FINISHED"
    assert ended.run.data.tags["gate"] == "failed"
    assert "gate failed: test_recall" in ended.out
    assert registered(name) == {}
    assert "best_estimator/MLmodel" in artifacts(ended.id)
    refused = run_step("batch_score")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"found that {ended.id} missed it" in refused.err
    assert run_step("batch_score", model=ended.id).code == 0


def test_a_gate_without_a_registry(run_step: RunStep) -> None:
    assert run_step("train", **WEAK, minimum="test_accuracy=0.5").code == 0
    assert run_step("train", **WEAK, minimum="test_accuracy=0.99").code == 4


def test_main_stops_at_a_missed_gate_each_time(run_step: RunStep) -> None:
    wanted = {**WEAK, "minimum": "test_roc_auc=0.99"}
    assert run_step("main", **wanted).code == 4
    again = run_step("main", **wanted)
    assert again.code == 4
    assert "train: reusing run" in again.out
    assert all_runs("batch_score") == []


def test_the_gate_of_a_reused_model_is_decided_anew(run_step: RunStep, name: str) -> None:
    assert run_step("main", **WEAK, minimum="test_roc_auc=0.99").code == 4
    easier = run_step("main", **WEAK, minimum="test_roc_auc=0.5")
    assert easier.code == 0
    (trained,) = all_runs("train")
    for run in (trained, easier.run):
        assert run.data.tags["gate"] == "passed"
        assert "gate passed: test_roc_auc" in run.data.tags["gate.decision"]
    assert run_step("main", **WEAK, minimum="test_recall=0.99").code == 4
    # Nothing asked, nothing missed.
    assert run_step("main", **WEAK).code == 0
    (trained,) = all_runs("train")
    assert trained.data.tags["gate"] == trained.data.tags["gate.test_recall"] == "not asked"
    assert run_step("batch_score").code == 0


def test_the_registry_of_a_reused_model_is_as_it_is_now(run_step: RunStep, name: str) -> None:
    run_step("train", **STRONG, registered_model=name)
    wanted = {**WEAK, "registered_model": name, "must_beat": "champion"}
    assert run_step("main", **wanted).code == 4
    again = run_step("main", **wanted)
    assert (again.code, "train: reusing run" in again.out) == (4, True)
    assert "worse than champion version 1" in again.run.data.tags["gate.decision"]
    assert registered(name) == {"1": "true"}
    MlflowClient().delete_registered_model(name)
    assert run_step("main", **wanted).code == 0
    weak = all_runs("train")[0]
    champion = Registry(MlflowClient(), name).named(CHAMPION)
    assert champion is not None
    assert champion.run_id == weak.info.run_id
    # It is registered once, and beats nobody to stay.
    ended = run_step("main", **wanted)
    assert ended.code == 0
    assert "registered as" in decision(ended)
    assert "still the champion" in decision(ended)
    assert registered(name) == {"1": "true"}
    assert len(all_runs("train")) == 2


def test_a_reused_model_is_compared_as_when_it_was_trained(run_step: RunStep, name: str) -> None:
    run_step("train", **STRONG, registered_model=name)
    weak = run_step("train", **WEAK, registered_model=name)
    told = decision(weak)
    ended = run_step("main", **WEAK, registered_model=name)
    assert ended.code == 0
    assert decision(ended) == told
    assert registered(name) == {"1": "true", "2": "false"}


def test_a_champion_of_another_split_is_told(run_step: RunStep, name: str) -> None:
    run_step("train", **WEAK, registered_model=name)
    run_step("preprocess", seed=7)
    ended = run_step("train", **STRONG, registered_model=name)
    assert "may have seen these rows" in decision(ended)


def test_a_champion_of_another_table_is_an_error(run_step: RunStep, name: str) -> None:
    run_step("train", **WEAK, registered_model=name)
    pd.read_csv(DIABETES).drop(columns="Glucose").to_csv("less.csv", index=False)
    run_step("preprocess", data="less.csv", zero_as_missing="BMI")
    ended = run_step("train", **WEAK, registered_model=name)
    assert ended.code == 2
    assert "this table lacks Glucose; register this model under another name" in ended.err
    assert registered(name) == {"1": "true"}


def test_a_champion_of_another_target_is_an_error(run_step: RunStep, name: str) -> None:
    run_step("train", **WEAK, registered_model=name)
    pd.read_csv(DIABETES).rename(columns={"Outcome": "Relapse"}).to_csv("other.csv", index=False)
    run_step("preprocess", data="other.csv", target="Relapse")
    ended = run_step("train", **WEAK, registered_model=name)
    assert ended.code == 2
    assert f"champion models:/{name}/1 to predict Relapse (0 or 1) from this table" in ended.err
    assert "found that it predicts Outcome (0 or 1); register" in ended.err
    assert registered(name) == {"1": "true"}


def test_a_champion_whose_files_are_gone_is_named(run_step: RunStep, name: str) -> None:
    first = run_step("train", **WEAK, registered_model=name)
    shutil.rmtree(local_file_uri_to_path(f"{first.run.info.artifact_uri}/best_estimator"))
    ended = run_step("train", **WEAK, registered_model=name)
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert f"could not compare with the champion: could not read models:/{name}/1" in ended.err
    Registry(MlflowClient(), name).withdraw(Registry(MlflowClient(), name).version("1"))
    again = run_step("train", **WEAK, registered_model=name, must_beat="champion")
    assert again.code == 0
    assert registered(name) == {"2": "true"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"must_beat": "champion"}, "expected a registered_model"),
        ({"minimum": "roc_auc=0.8"}, "metrics of test_roc_auc, "),
        ({"registered_model": "a/b"}, "letters, digits, dots"),
        ({"threshold": "1.5"}, "a number between 0 and 1, or f1 or youden"),
    ],
)
def test_wrong_wishes_are_told_before_the_search(
    run_step: RunStep, parameters: dict[str, str], message: str
) -> None:
    ended = run_step("train", **parameters)
    assert ended.code == 2
    assert message in ended.err
    assert all_runs() == []


def test_report_and_threshold_are_logged(run_step: RunStep) -> None:
    ended = run_step("train", n_estimators="2,3", max_depth="2", threshold="f1")
    files = artifacts(ended.id)
    assert "report.html" in files
    assert sum(path.startswith("plots/") for path in files) == 9
    tags, metrics = ended.run.data.tags, ended.run.data.metrics
    assert 0 < float(tags["threshold"]) < 1
    assert tags["threshold"] != "0.5"
    assert metrics["test_roc_auc_low"] < metrics["test_roc_auc"] < metrics["test_roc_auc_high"]
    assert metrics["baseline_majority_roc_auc"] == 0.5
    assert len(metrics) < 50


def test_without_the_report_the_metrics_are_the_same(run_step: RunStep) -> None:
    small = {"n_estimators": "2", "max_depth": "2"}
    with_report = run_step("train", **small)
    without = run_step("train", **small, report="false")
    assert not any(path.startswith(("report", "plots")) for path in artifacts(without.id))

    def held_out(ended: Ended) -> dict[str, float]:
        metrics = ended.run.data.metrics
        return {name: metrics[name] for name in metrics if name.startswith(("test_", "baseline"))}

    assert held_out(without) == held_out(with_report)


@pytest.mark.parametrize("any_store", ["sqlite"], indirect=True)
def test_two_trainings_racing_leave_one_champion(
    any_store: str, run_step: RunStep, name: str
) -> None:
    run_step("preprocess")
    command = [sys.executable, "-m", "steps.train", f"--registered_model={name}"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    racing = [
        subprocess.Popen(
            [*command, *(f"--{key}={value}" for key, value in {**STRONG, "seed": seed}.items())],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for seed in (1, 2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in racing]
    assert [process.returncode for process in racing] == [0, 0], outputs
    tags = registered(name)
    assert sorted(tags.values()) in (["false", "true"], ["true"])
    assert len(tags) == 2
    champion = Registry(MlflowClient(), name).named(CHAMPION)
    assert champion is not None
    assert tags[str(champion.version)] == "true"
    assert sum("the champion, as there is no other" in output for output in outputs) == 1
