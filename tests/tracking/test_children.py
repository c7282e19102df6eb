"""Child runs of a search: what they hold, when they appear, what an interruption leaves."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from benchmarks.latency_proxy import LatencyProxy, Request
from steps.core import console
from steps.core.estimator import build_pipeline
from steps.search.engine import fit_all
from steps.search.executors import LocalExecutor, OutcomeFuture
from steps.search.results import Search
from steps.tracking import runs
from steps.tracking.children import ChildRuns, candidate_id, name_of
from steps.tracking.runs import StepRun
from steps.tracking.searching import Execution, search
from tests.conftest import PROJECT, RunStep, all_runs, artifacts, children, tracking
from tests.search.conftest import Case, assert_same_results, make_case

TIMES = {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"}


@contextmanager
def step_run(key: str = "key") -> Iterator[StepRun]:
    """Open a run as a step has it."""
    with mlflow.start_run() as active:
        run = StepRun(MlflowClient(), active.info.run_id, active.info.experiment_id)
        run.client.set_tag(run.id, runs.KEY, key)
        yield run


def run_search(
    case: Case, folder: Path, key: str = "key", **execution: Any
) -> tuple[Search, Run, list[Run]]:
    """Search a case; give the search, its run and its child runs in the candidates' order."""
    with step_run(key) as run:
        files = folder / run.id
        files.mkdir()
        found = search(case.settings, case.work, Execution(**execution), run, files)
    return found, run.client.get_run(run.id), in_order(case, run.id)


def in_order(case: Case, parent: str) -> list[Run]:
    """Give the child runs of a search in the candidates' order."""
    by_candidate = {
        child.data.tags["step.candidate"]: child
        for child in all_runs(**{"mlflow.parentRunId": parent})
    }
    return [by_candidate[candidate_id(one)] for one in case.settings.candidates()]


# --- the same record as autolog ---------------------------------------------------------------


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
@pytest.mark.parametrize("kind", ["int", "str"])
@pytest.mark.parametrize("local", ["file", "sqlite"])
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
    }
    for name, value in theirs.data.metrics.items():
        assert ours.data.metrics[name] == value, name
    for tag in ("estimator_name", "estimator_class"):
        assert ours.data.tags[tag] == theirs.data.tags[tag]
    (mine,), (other,) = ours.inputs.dataset_inputs, theirs.inputs.dataset_inputs
    assert mine.dataset.digest == other.dataset.digest
    assert mine.tags == other.tags


def test_azure_limits_hold(tmp_path: Path) -> None:
    _, parent, found = run_search(make_case(folds=10), tmp_path)
    for run in (parent, *found):
        assert len(run.data.params) <= 200
        assert len(run.data.metrics) <= 50
        assert len(run.data.tags) <= 50
        assert max(map(len, run.data.tags.values())) <= 1000


# --- live --------------------------------------------------------------------------------------


class Watched(LocalExecutor):
    """Looks into the store each time a candidate is about to be fitted."""

    def __init__(self, case: Case, parent: str) -> None:
        super().__init__(case.work, 1)
        self.case, self.parent = case, parent
        self.seen: list[Counter[str]] = []

    def submit(self, parameters: Mapping[str, Any]) -> OutcomeFuture:
        """Wait a moment for what is on its way, and count the child runs by status."""
        expected = Counter({"RUNNING": 1, "FINISHED": len(self.seen)})
        expected += Counter()
        for _ in range(100):
            found = all_runs(**{"mlflow.parentRunId": self.parent})
            counted = Counter(run.info.status for run in found)
            if counted == expected:
                break
            time.sleep(0.05)
        self.seen.append(counted)
        return super().submit(parameters)


def test_child_runs_come_and_end_with_their_candidates(any_store: str) -> None:
    case = make_case()
    candidates = case.settings.candidates()
    with (
        step_run() as run,
        console.progress(4, "candidates", "search") as bar,
        ChildRuns(run, {runs.KEY: "key"}, case.work.estimator, candidates, "f1", bar) as listener,
        Watched(case, run.id) as executor,
    ):
        fit_all(candidates, executor, listener)
    assert [dict(seen) for seen in executor.seen] == [
        {"RUNNING": 1},
        {"RUNNING": 1, "FINISHED": 1},
        {"RUNNING": 1, "FINISHED": 2},
        {"RUNNING": 1, "FINISHED": 3},
    ]
    found = in_order(case, run.id)
    assert {child.info.status for child in found} == {"FINISHED"}
    for earlier, later in pairwise(found):
        assert earlier.info.start_time < earlier.info.end_time <= later.info.start_time
    assert found[0].info.run_name == name_of(candidates[0]) == "max_depth=2, n_estimators=1"
    history = run.client.get_metric_history(run.id, "candidates_done")
    assert [(point.step, point.value) for point in history] == [(n, n) for n in (1, 2, 3, 4)]
    best = [point.value for point in run.client.get_metric_history(run.id, "best_cv_score_so_far")]
    scores = [child.data.metrics["mean_test_f1"] for child in found]
    assert best == list(np.maximum.accumulate(scores))


def test_a_failing_candidate_is_a_failed_child(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = make_case().with_grid({"clf__max_depth": [2, -1, 3], "clf__n_estimators": [1]})
    found, parent, (good, failed, also_good) = run_search(case, tmp_path)
    assert [run.info.status for run in (good, failed, also_good)] == [
        "FINISHED",
        "FAILED",
        "FINISHED",
    ]
    assert "max_depth" in failed.data.tags["step.candidate.error"]
    assert failed.data.params["clf__max_depth"] == "-1"
    assert "mean_test_f1" not in failed.data.metrics
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["candidates_done"] == 3
    assert np.isnan(found.cv_results_["mean_test_f1"][1])
    assert "max_depth=-1, n_estimators=1 failed: InvalidParameterError" in capsys.readouterr().err


def test_an_interrupted_search_leaves_no_child_running(tmp_path: Path) -> None:
    case = make_case()

    class Interrupted(LocalExecutor):
        def submit(self, parameters: Mapping[str, Any]) -> OutcomeFuture:
            if parameters == candidates[2]:
                raise KeyboardInterrupt
            return super().submit(parameters)

    candidates = case.settings.candidates()
    with (
        pytest.raises(KeyboardInterrupt),
        step_run() as run,
        console.progress(4, "candidates", "search") as bar,
        ChildRuns(run, {runs.KEY: "k"}, case.work.estimator, candidates, "f1", bar) as listener,
        Interrupted(case.work, 1) as executor,
    ):
        fit_all(candidates, executor, listener)
    found = all_runs(**{"mlflow.parentRunId": run.id})
    assert Counter(child.info.status for child in found) == {"FINISHED": 2, "KILLED": 1}


def test_an_error_of_the_store_fails_the_search(tmp_path: Path) -> None:
    case = make_case()

    class Deleting(LocalExecutor):
        """Deletes the child runs before they can be ended."""

        def submit(self, parameters: Mapping[str, Any]) -> OutcomeFuture:
            listener.wait()
            for child in all_runs(**{"mlflow.parentRunId": run.id}):
                run.client.delete_run(child.info.run_id)
            return super().submit(parameters)

    candidates = case.settings.candidates()
    with (
        pytest.raises(MlflowException, match="must be in 'active' lifecycle"),
        step_run() as run,
        console.progress(4, "candidates", "search") as bar,
        ChildRuns(run, {runs.KEY: "k"}, case.work.estimator, candidates, "f1", bar) as listener,
        Deleting(case.work, 1) as executor,
    ):
        fit_all(candidates, executor, listener)


# --- resume ------------------------------------------------------------------------------------


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
    # calls it unsupported).
    with tracking(f"sqlite:///{tmp_path}/store.db", monkeypatch):
        kill_and_run_again(run_step, tmp_path)


def kill_and_run_again(run_step: RunStep, tmp_path: Path) -> None:
    grid = {"n_estimators": ",".join(map(str, range(10, 22))), "max_depth": "3"}
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
    assert f"{len(finished)} of them taken over" in resumed.out
    again = children(resumed.run)
    assert len(again) == 12
    copies = {run.data.tags.get("step.candidate.copy_of") for run in again} - {None}
    assert copies == {run.info.run_id for run in finished}

    fresh = run_step("train", **grid, resume="false")
    one, other = table(resumed.run, tmp_path / "a"), table(fresh.run, tmp_path / "b")
    same = [name for name in other if "time" not in name]
    pd.testing.assert_frame_equal(one[same], other[same], check_exact=True)
    for name in ("best_clf__n_estimators", "best_clf__max_depth"):
        assert resumed.run.data.params[name] == fresh.run.data.params[name]
    assert resumed.run.data.metrics == fresh.run.data.metrics


# --- cheap -------------------------------------------------------------------------------------


@contextmanager
def counted(server: str) -> Iterator[tuple[str, list[Request]]]:
    """Count the requests to a server; give the address to use instead, and the list."""
    seen: list[Request] = []
    loop = asyncio.new_event_loop()
    to = urlsplit(server)
    proxy = LatencyProxy((str(to.hostname), int(to.port or 0)), 0.0, seen.append)
    listening, address = loop.run_until_complete(proxy.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield address, seen
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@pytest.mark.parametrize("zero_as_missing", ["none", "diabetes"])
def test_requests_for_each_child(
    zero_as_missing: str, mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three; MLflow takes 100 parameters in a request, so a larger pipeline has one more."""
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    totals = []
    with counted(mlflow_server) as (address, seen), tracking(address, monkeypatch):
        for trees in (2, 6):
            case = make_case().with_grid(
                {"clf__n_estimators": list(range(1, trees + 1)), "clf__max_depth": [2, 3]}
            )
            if zero_as_missing == "none":
                plain = build_pipeline(replace(case.schema, zero_as_missing=()), 42)
                case = replace(case, work=replace(case.work, estimator=plain))
            batches = math.ceil(len(case.work.estimator.get_params()) / 100)
            assert batches == (1 if zero_as_missing == "none" else 2)
            seen.clear()
            _, _, found = run_search(case, tmp_path)
            requests = list(seen)
            totals.append(len(requests))
            ids = {run.info.run_id for run in found}
            about = Counter(request.run_id for request in requests if request.run_id in ids)
            # And one to create it, whose body does not name it yet.
            assert set(about.values()) == {batches + 1}
            created = sum(request.path.endswith("runs/create") for request in requests)
            assert created == len(found) + 1
    # What does not belong to one child does not grow with their number, but for the parent's
    # points, which go out every few seconds.
    assert totals[1] - totals[0] <= (batches + 2) * 8 + 2
