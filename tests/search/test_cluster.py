"""Candidates fitted on a real Dask cluster, in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from distributed import Client, LocalCluster

from steps.core.errors import StepError
from steps.search import cluster
from steps.search.cluster import ClusterExecutor, parse_scheduler
from steps.search.fitting import Outcome
from tests.search.conftest import Case, Heard, assert_same_results
from tests.search.test_search import assert_same_search, run


@pytest.fixture
def dask(tmp_path: Any) -> Iterator[LocalCluster]:
    """Start a scheduler and two worker processes."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    ) as started:
        yield started


@pytest.mark.slow
def test_same_results_though_a_worker_is_killed(case: Case, dask: LocalCluster) -> None:
    grid = {"clf__n_estimators": list(range(20, 36)), "clf__max_depth": [3]}
    case = case.with_grid(grid)
    with Client(dask.scheduler_address) as client:
        pids = list(client.run(os.getpid).values())
    assert len(set(pids)) == 2
    assert os.getpid() not in pids

    class Killer(Heard):
        def finished(self, index: int, outcome: Outcome, span: Any) -> None:
            super().finished(index, outcome, span)
            if len(self.outcomes) == 3:
                os.kill(pids[0], signal.SIGKILL)

    killer = Killer()
    ours, heard = run(case, ClusterExecutor(case.work, dask.scheduler_address), heard=killer)
    assert len(heard.outcomes) == 16
    assert 2 <= heard.most_at_once <= 4
    assert_same_search(case, ours)


@pytest.mark.slow
def test_workers_need_not_have_this_project(case: Case, tmp_path: Any) -> None:
    """Start the cluster from elsewhere, so that its workers cannot import `steps`."""
    script = tmp_path / "start.py"
    script.write_text(
        "from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as it:\n"
        "        print(it.scheduler_address, flush=True)\n"
        "        input()\n"
    )
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        [sys.executable, "-P", str(script)], cwd=tmp_path, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as started:  # fmt: skip
        assert started.stdout is not None
        address = started.stdout.readline().strip()
        ours, _ = run(case, ClusterExecutor(case.work, address))
        started.communicate("\n")
    assert_same_search(case, ours)


@pytest.mark.slow
def test_local_starts_a_cluster_of_its_own(case: Case) -> None:
    ours, heard = run(case, ClusterExecutor(case.work, "local", jobs=2))
    assert heard.most_at_once == 2
    theirs = case.scikit_learn().fit(case.work.features, case.work.labels)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


def test_no_scheduler_there(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "SECONDS_TO_WAIT", 0.5)
    with (
        pytest.raises(StepError, match="expected a Dask scheduler at"),
        ClusterExecutor(case.work, "tcp://127.0.0.1:1"),
    ):
        pass


def test_without_the_extra(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    # What `import distributed` meets where it is not installed.
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StepError, match=r'pip install -e "\.\[dask\]"'):
        ClusterExecutor(case.work, "local")


@pytest.mark.parametrize(
    ("text", "scheduler"),
    [
        ("none", None),
        ("local", "local"),
        ("tcp://10.0.0.1:8786", "tcp://10.0.0.1:8786"),
        ("tls://scheduler:8786", "tls://scheduler:8786"),
    ],
)
def test_scheduler(text: str, scheduler: str | None) -> None:
    assert parse_scheduler(text) == scheduler


@pytest.mark.parametrize("text", ["", "localhost:8786", "tcp://host", "tcp://:1", "http://a:1"])
def test_what_is_no_scheduler(text: str) -> None:
    with pytest.raises(ValueError, match="tcp://host:port"):
        parse_scheduler(text)
