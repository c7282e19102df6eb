"""The temporary folder of a step goes with it, or with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from steps.base.errors import FAILURE, StepError
from steps.base.temporary import temporary_folder
from tests.conftest import PROJECT

HOLD = """
import sys, tempfile, time
from steps.base.temporary import temporary_folder
with temporary_folder("train"):
    tempfile.mkdtemp(prefix="model")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of the test's own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def hold() -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    return holder


def kill(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def test_what_a_killed_step_left_goes_with_the_next(place: Path) -> None:
    killed, living = hold(), hold()
    kill(killed)
    # Of other programs.
    (place / "steps.txt").touch()
    (place / "steps.train-1-short").mkdir()
    assert len(list(place.iterdir())) == 4
    with temporary_folder("preprocess"):
        pass
    left = sorted(path.name for path in place.iterdir())
    assert left[:2] == ["steps.train-1-short", f"steps.train-{living.pid}-{left[1][-8:]}"]
    assert left[2:] == ["steps.txt"]
    kill(living)


def test_all_temporary_files_are_inside_and_go(place: Path) -> None:
    with temporary_folder("train") as folder:
        assert folder.parent == place
        assert Path(tempfile.mkdtemp()).parent == folder
        ask = [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip() == (
            str(folder)
        )
    assert list(place.iterdir()) == []
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(place)


def test_no_place_at_all(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "nowhere"))
    with (
        pytest.raises(StepError, match="expected a place for temporary files") as raised,
        temporary_folder("train"),
    ):
        pass
    assert raised.value.exit_code == FAILURE
