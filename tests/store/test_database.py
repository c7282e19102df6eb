"""MLflow's database is made by one process, and what is wrong with one is said in a line."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from steps.base.errors import FAILURE, StepError
from steps.store import database
from tests.conftest import PROJECT, RunStep, tracking

CANARY = "canary-d71b"
OPEN = "import sys; from steps.store.database import open_or_create; open_or_create(sys.argv[1])"


@pytest.mark.slow
def test_several_processes_make_one_database(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/store.db"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, uri], cwd=PROJECT, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    errors = [each.communicate()[1] for each in started]
    assert [each.returncode for each in started] == [0, 0, 0], errors
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["store.db"]


def half_made(path: Path, *, runs: int = 0) -> None:
    """Leave a database as a killed migration does, long ago."""
    with closing(sqlite3.connect(path)) as made, made:
        made.executescript(
            "CREATE TABLE experiments (a); CREATE TABLE runs (a); CREATE TABLE alembic_version (a);"
            "CREATE TABLE _alembic_tmp_experiments (a); INSERT INTO alembic_version VALUES (1);"
        )
        made.executemany("INSERT INTO runs VALUES (?)", [(number,) for number in range(runs)])
    os.utime(path, (time.time() - 60,) * 2)


@pytest.mark.slow
def test_one_that_was_left_half_made_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half_made(tmp_path / "store.db")
    database.open_or_create(f"sqlite:///{tmp_path}/store.db")
    assert "was half-made and held no run" in capsys.readouterr().err
    assert (tmp_path / "store.db.half-made").exists()


def test_one_with_runs_is_named_and_kept(tmp_path: Path) -> None:
    half_made(tmp_path / "store.db", runs=1)
    with pytest.raises(StepError, match="could not open the database sqlite:") as refused:
        database.open_or_create(f"sqlite:///{tmp_path}/store.db")
    assert refused.value.exit_code == FAILURE
    with closing(sqlite3.connect(tmp_path / "store.db")) as kept:
        assert kept.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("not a database" * 100)
    with pytest.raises(StepError, match="file is not a database"):
        database.open_or_create(f"sqlite:///{tmp_path}/store.db")


def test_a_missing_driver(run_step: RunStep, monkeypatch: pytest.MonkeyPatch) -> None:
    # No driver of that name is there; the password must not be shown.
    with tracking(f"mssql+pymssql://user:{CANARY}@db/mlflow", monkeypatch):
        monkeypatch.setattr("tests.conftest.all_runs", lambda step: [])
        ended = run_step("preprocess")
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert "expected the driver of the database mssql+pymssql://***@db/mlflow" in ended.err
    assert CANARY not in ended.out + ended.err


def test_which_uris_are_servers() -> None:
    assert database.is_server("postgresql://u@h/db")
    assert database.is_server("mysql+pymysql://u@h/db")
    assert not database.is_server("sqlite:///mlflow.db")
    assert not database.is_server("https://host")
