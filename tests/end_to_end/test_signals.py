"""A step that is told to end leaves a FAILED run and no temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.base.test_process import hear_hang_up
from tests.conftest import PROJECT, RunStep, all_runs, tracking


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_during_a_search(
    number: signal.Signals,
    code: int,
    run_step: RunStep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with tracking(f"sqlite:///{tmp_path}/store.db", monkeypatch):
        run_step("preprocess")
        command = [sys.executable, "-m", "steps.train", "--n_estimators=500,501,502", "--jobs=1"]
        environment = os.environ | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(temporary)}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=hear_hang_up
        ) as process:
            assert process.stdout is not None
            assert any(line.startswith("search: ") for line in process.stdout)
            process.send_signal(number)
            process.communicate(timeout=60)
        assert process.returncode == code
        (run,) = all_runs("train")
        assert run.info.status == "FAILED"
        assert not list(temporary.iterdir())
