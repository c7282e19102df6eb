"""Worker processes end with the process that they work for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import PROJECT

# About a minute of work: worth two workers, which are up long before it is done.
GRID = json.dumps({"clf__n_estimators": [150], "clf__min_samples_leaf": list(range(1, 61))})


def workers_of(train: psutil.Process) -> list[psutil.Process]:
    """List the processes that fit candidates, or are about to."""
    found = []
    for child in train.children(recursive=True):
        # Others come and go: git, say.
        with suppress(psutil.Error):
            if any("loky" in argument for argument in child.cmdline()):
                found.append(child)
    return found


@pytest.mark.slow
def test_no_worker_outlives_a_killed_train(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "steps.train", "--jobs=2", "--report=false", f"--grid={GRID}"]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/store.db",
        "PYTHONPATH": str(PROJECT),
        # A killed step leaves its temporary folder.
        "TMPDIR": str(tmp_path),
    }
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as started:
        train = psutil.Process(started.pid)
        deadline = time.monotonic() + 120
        workers = workers_of(train)
        # Two workers, and loky's tracker of what they share.
        while len(workers) < 3 or sum(worker.cpu_times().user for worker in workers) < 6:
            assert started.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
            workers = workers_of(train)
        started.kill()
    _, alive = psutil.wait_procs(workers, timeout=15)
    for worker in alive:
        worker.kill()
    assert not alive
