"""Signals end a step's process as an exception does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

WAIT = """
import sys, time
from steps.base.process import end_on_signals
end_on_signals()
try:
    print("ready", flush=True)
    time.sleep(float(sys.argv[1]))
finally:
    print("tidied up", flush=True)
"""


def hear_hang_up() -> None:
    """Undo a `nohup` under which the tests may run."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait(seconds: float, *before: str) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-c", WAIT, str(seconds)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, preexec_fn=hear_hang_up
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_lets_the_process_tidy_up(number: signal.Signals, code: int) -> None:
    process = wait(60)
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == "tidied up\n"
    assert process.returncode == code


def test_nohup_still_works() -> None:
    process = wait(0.3, "nohup")
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=30)[0] == "tidied up\n"
    assert process.returncode == 0
