"""Standard output that is closed ends a step with one line and the exit code of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steps.base.errors import BROKEN_PIPE
from tests.conftest import DIABETES, PROJECT, all_runs

COMMAND = [sys.executable, "-m", "steps.preprocess", f"--data={DIABETES}"]
ENVIRONMENT = {"PYTHONPATH": str(PROJECT)}


@pytest.mark.parametrize(("step", "status"), [("train", "FAILED"), ("preprocess", "FINISHED")])
def test_reader_that_goes_away(step: str, status: str) -> None:
    # The next line of train comes before it has done its work, that of preprocess after it.
    with subprocess.Popen(
        [sys.executable, "-m", f"steps.{step}"],
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # As `| head -1` does.
        assert process.stdout.readline().startswith("tracking: ")
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == BROKEN_PIPE
    assert err == (
        "error: expected to write to standard output, found it closed; "
        "to see less, send it to a file\n"
    )
    assert [run.info.status for run in all_runs()] == [status]


@pytest.mark.parametrize(("closed", "lines"), [(">&-", 1), (">&- 2>&-", 0), ("<&- >&- 2>&-", 0)])
def test_closed_from_the_start(closed: str, lines: int) -> None:
    ended = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (BROKEN_PIPE, lines)
    assert not all_runs()


def test_full_disk_under_standard_output() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(
            COMMAND,
            env=os.environ | ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "error: could not write to standard output: No space left on device\n"


def test_closed_standard_error_is_no_hindrance() -> None:
    ended = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *COMMAND],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0
    assert all_runs("preprocess")[0].info.status == "FINISHED"
