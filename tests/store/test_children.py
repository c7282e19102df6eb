"""Child runs of a search: when they appear, what errors do to them, what they cost."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from steps.base import console
from steps.model.executors import BatchFuture
from steps.model.fitting import Batch, FoldResult, Report, Step
from steps.model.local_executor import LocalExecutor
from steps.model.pipeline import build_pipeline
from steps.model.search_loop import fit_all
from steps.model.sources import Listed
from steps.store.children import ChildRuns, ParentRun, name_of
from steps.store.runs import KEY, StepRun
from tests.conftest import all_runs, tracking
from tests.latency_proxy import LatencyProxy, Request
from tests.model.searches import Case, make_case
from tests.store.searches import in_order, run_search, step_run


def parent_of(case: Case, run: StepRun) -> ParentRun:
    return ParentRun(run, {KEY: "key"}, case.work.families, "f1")


class Watched(LocalExecutor):
    """Looks into the store each time a candidate is about to be fitted."""

    def __init__(self, case: Case, parent: str) -> None:
        super().__init__(case.work, 1)
        self.case, self.parent, self.steps = case, parent, 0
        self.seen: list[Counter[str]] = []

    def _step(self, step: Step) -> list[FoldResult]:
        """Before the first fold of each, look for what is on its way, by status."""
        self.steps += 1
        if self.steps % 3 == 1:
            self.look()
        return super()._step(step)

    def look(self) -> None:
        """Wait a moment for what is on its way, and count the child runs by status."""
        finished = len(self.seen)
        # Two candidates share a fit: they start together, and end one after the other.
        expected = Counter({"RUNNING": 2 - finished % 2, "FINISHED": finished})
        expected += Counter()
        for _ in range(100):
            found = all_runs(**{"mlflow.parentRunId": self.parent})
            counted = Counter(run.info.status for run in found)
            if counted == expected:
                break
            time.sleep(0.05)
        self.seen.append(counted)


def test_child_runs_come_and_end_with_their_candidates(any_store: str) -> None:
    case = make_case()
    candidates = case.settings.candidates()
    source = Listed(case.work, candidates)
    with (
        step_run() as run,
        console.progress(4, "candidates", "search") as bar,
        ChildRuns(parent_of(case, run), source, bar) as listener,
        Watched(case, run.id) as executor,
    ):
        fit_all(source, executor, listener)
    assert [dict(seen) for seen in executor.seen] == [
        {"RUNNING": 2},
        {"RUNNING": 1, "FINISHED": 1},
        {"RUNNING": 2, "FINISHED": 2},
        {"RUNNING": 1, "FINISHED": 3},
    ]
    found = in_order(case, run.id)
    assert {child.info.status for child in found} == {"FINISHED"}
    for earlier, later in pairwise(found):
        assert earlier.info.start_time < earlier.info.end_time <= later.info.end_time
    assert found[1].info.end_time <= found[2].info.start_time == found[3].info.start_time
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


def test_an_interrupted_search_leaves_no_child_running(capsys: pytest.CaptureFixture[str]) -> None:
    case = make_case()

    class Interrupted(LocalExecutor):
        def submit(self, batch: Batch, report: Report) -> BatchFuture:
            if 2 in batch.candidates:
                raise KeyboardInterrupt
            return super().submit(batch, report)

    candidates = case.settings.candidates()
    source = Listed(case.work, candidates)
    with (
        pytest.raises(KeyboardInterrupt),
        step_run() as run,
        console.progress(4, "candidates", "search") as bar,
        ChildRuns(parent_of(case, run), source, bar) as listener,
        Interrupted(case.work, 1) as executor,
    ):
        fit_all(source, executor, listener)
    found = all_runs(**{"mlflow.parentRunId": run.id})
    assert Counter(child.info.status for child in found) == {"FINISHED": 2, "KILLED": 2}
    best = max(run.data.metrics.get("mean_test_f1", 0.0) for run in found)
    (named,) = (run.info.run_name for run in found if run.data.metrics.get("mean_test_f1") == best)
    said = f"search: interrupted after 2 candidates; best f1 {best:.4f} so far with {named}"
    assert said in capsys.readouterr().out


def test_an_error_of_the_store_fails_the_search(tmp_path: Path) -> None:
    case = make_case()

    class Deleting(LocalExecutor):
        """Deletes the child runs before they can be ended."""

        def submit(self, batch: Batch, report: Report) -> BatchFuture:
            listener.wait()
            for child in all_runs(**{"mlflow.parentRunId": run.id}):
                run.client.delete_run(child.info.run_id)
            return super().submit(batch, report)

    candidates = case.settings.candidates()
    source = Listed(case.work, candidates)
    with (
        pytest.raises(MlflowException, match="must be in 'active' lifecycle"),
        step_run() as run,
        console.progress(4, "candidates", "search") as bar,
        ChildRuns(parent_of(case, run), source, bar) as listener,
        Deleting(case.work, 1) as executor,
    ):
        fit_all(source, executor, listener)


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


@pytest.mark.parametrize(("kinds", "batches"), [("diabetes", 1), ("alternating", 2)])
def test_requests_for_each_child(
    kinds: str, batches: int, mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three; MLflow takes 100 parameters in a request, so a larger pipeline has one more."""
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    totals = []
    with counted(mlflow_server) as (address, seen), tracking(address, monkeypatch):
        for trees in (2, 6):
            case = make_case().with_grid(
                {"clf__n_estimators": list(range(1, trees + 1)), "clf__max_depth": [2, 3]}
            )
            if kinds == "alternating":
                zeros = case.schema.features[::2]
                many = build_pipeline(replace(case.schema, zero_as_missing=zeros), 42)
                case = replace(case, work=replace(case.work, families={"random_forest": many}))
            assert math.ceil(len(case.work.estimator.get_params()) / 100) == batches
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
