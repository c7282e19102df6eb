"""Candidates fitted on a real Dask cluster, in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from steps.base.errors import StepError
from steps.model.dask_executor import ClusterExecutor
from steps.model.fitting import CandidateResult
from tests.model.searches import Case, Heard, assert_same_results
from tests.model.test_search import assert_same_search, run

START = """
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        input()
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """Start a scheduler and two workers in processes of their own, which do not know `steps`."""
    (tmp_path / "start.py").write_text(START)
    with subprocess.Popen(
        [sys.executable, "-P", "start.py"],
        cwd=tmp_path,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as started:
        assert started.stdout is not None
        yield started.stdout.readline().strip()
        started.communicate("\n")


@pytest.mark.slow
def test_same_results_though_a_worker_is_killed(case: Case, elsewhere: str) -> None:
    grid = {"clf__n_estimators": [20, 30], "clf__max_depth": list(range(2, 10))}
    case = case.with_grid(grid)
    with Client(elsewhere) as client:
        pids = list(client.run(os.getpid).values())
    assert len(set(pids)) == 2
    assert os.getpid() not in pids

    class Killer(Heard):
        def finished(self, index: int, result: CandidateResult, span: Any) -> None:
            super().finished(index, result, span)
            if len(self.results) == 3:
                os.kill(pids[0], signal.SIGKILL)

    killer = Killer()
    ours, heard = run(case, ClusterExecutor(case.work, elsewhere), heard=killer)
    assert len(heard.results) == 16
    # Two tasks at once, of two candidates each; more while one is started again.
    assert 4 <= heard.most_at_once <= 8
    assert_same_search(case, ours)


@pytest.mark.slow
def test_local_starts_a_cluster_of_its_own(case: Case) -> None:
    ours, heard = run(case, ClusterExecutor(case.work, "local", jobs=2))
    assert heard.most_at_once == 4
    assert ours.unseen_ is not None
    # Each ended when its size was reached, not when its group was done.
    assert heard.spans[0].ended < heard.spans[1].ended
    theirs = case.scikit_learn().fit(case.work.features, case.work.labels)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


def test_without_the_extra(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    # What `import distributed` meets where it is not installed.
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(StepError, match="expects the package distributed, found none"),
        ClusterExecutor(case.work, "local"),
    ):
        pass
