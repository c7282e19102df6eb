"""MLflow's database is made by one process, and what is wrong with one is said in a line."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from steps.base.errors import FAILURE, StepError
from steps.data import preparation
from steps.store import database
from tests.conftest import DIABETES, PROJECT, Ended, RunStep, tracking
from tests.small_disk import fill, small_disk
from tests.unprivileged import read_only_folder, run_unprivileged

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
    (tmp_path / "store.db").write_text("a table of the last year, say; not a database" * 100)
    with pytest.raises(StepError, match=r"store\.db: file is not a database") as refused:
        database.open_or_create(f"sqlite:///{tmp_path}/store.db")
    assert refused.value.exit_code == FAILURE


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:////abs/s.db", "/abs/s.db"),
        ("sqlite:///s.db", "s.db"),
        ("sqlite:///s.db?timeout=5", "s.db"),
        ("sqlite+pysqlite:///s.db", "s.db"),
        ("sqlite:///a%20b.db", "a b.db"),
        ("sqlite:///file:s.db?uri=true", "s.db"),
        ("sqlite:///file:/abs/a%2520b.db?uri=true&mode=rwc", "/abs/a b.db"),
        ("sqlite:///file:s?uri=true&mode=memory&cache=shared", None),
        ("sqlite:///file::memory:?uri=true", None),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("file:///nowhere", None),
        ("http://host/", None),
        ("postgresql://host/db", None),
        ("mlruns", None),
        ("", None),
    ],
)
def test_the_file_of_a_database(uri: str, file: str | None, tmp_path: Path) -> None:
    expected = None if file is None else tmp_path / file
    path = database.file_of(uri)
    assert (path and path.absolute()) == expected
    if file and not file.startswith("/"):
        # SQLAlchemy opens the same one.
        with create_engine(uri, poolclass=NullPool).connect() as connection:
            connection.exec_driver_sql("CREATE TABLE t (x)")
        assert [each.name for each in tmp_path.iterdir() if each.name != "data"] == [file]


@pytest.mark.slow
def test_a_database_is_made_wherever_its_address_says(tmp_path: Path) -> None:
    database.open_or_create("sqlite:///new/a%20b.db?timeout=30")
    assert (tmp_path / "new" / "a b.db").stat().st_size


def test_one_that_another_step_writes_to_is_no_failure(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "s.db")) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN IMMEDIATE")
        database.check_writable(tmp_path / "s.db")


# Three databases: in a read-only folder a new and an old one, elsewhere a read-only file.
READ_ONLY = f"""
for uri in ("sqlite:///new.db", "sqlite:///old/file.db"):
    try:
        open_or_create(uri)
    except StepError as error:
        print(error)
raise SystemExit(launch(step, ["--data={DIABETES}"]))
"""


@pytest.mark.slow
def test_read_only_databases() -> None:
    with read_only_folder() as folder:
        (folder / "old").mkdir()
        for path in (folder / "s.db", folder / "old" / "file.db"):
            with closing(sqlite3.connect(path)) as made:
                made.execute("CREATE TABLE t (x)")
        (folder / "old" / "file.db").chmod(0o444)
        (folder / "old").chmod(0o777)
        started = time.monotonic()
        ended = run_unprivileged(
            "from steps.base.errors import StepError\nfrom steps.cli import launch\n"
            "from steps.store.chain import load\n"
            "from steps.store.database import open_or_create\nstep = load('preprocess')\n",
            READ_ONLY,
            folder,
            MLFLOW_TRACKING_URI="sqlite:///s.db",
        )
        # MLflow itself goes on for 100 seconds.
        assert time.monotonic() - started < 30
        assert (ended.returncode, ended.stderr.count("\n")) == (FAILURE, 1), ended.stderr
        assert f"error: could not use the database {folder}/s.db: expected to" in ended.stderr
        assert "may not be written to; make it writable, or name another one" in ended.stderr
        new, file = ended.stdout.splitlines()
        assert f"{folder}/new.db: expected to write {folder}/new.db, found that" in new
        assert "file.db: expected a file that may be written to, found a read-only one" in file


def test_a_folder_in_its_place_is_said_at_once(
    run_step: RunStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To open it fails as a database in a read-only folder does; MLflow goes on for 100 seconds.
    (tmp_path / "store.db").mkdir()
    started = time.monotonic()
    with tracking(f"sqlite:///{tmp_path}/store.db", monkeypatch):
        ended = run_step_without_runs(run_step, monkeypatch)
    assert (ended.code, ended.err.count("\n")) == (FAILURE, 1), ended.err
    assert "found the folder" in ended.err
    assert time.monotonic() - started < 5


def test_a_missing_driver(run_step: RunStep, monkeypatch: pytest.MonkeyPatch) -> None:
    # No driver of that name is there; the password must not be shown.
    with tracking(f"mssql+pymssql://user:{CANARY}@db/mlflow", monkeypatch):
        ended = run_step_without_runs(run_step, monkeypatch)
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert "expected the driver of the database mssql+pymssql://***@db/mlflow" in ended.err
    assert CANARY not in ended.out + ended.err


# As a driver does: it opens a connection, and raises its own error if there is none.
DRIVER = """
import socket
apilevel, threadsafety, paramstyle = "2.0", 1, "pyformat"
class Error(Exception): pass
class OperationalError(Error): pass
InterfaceError = InternalError = ProgrammingError = type("Other", (Error,), {})
def connect(host, port, **others):
    try:
        socket.create_connection((host, port))
    except OSError as error:
        raise OperationalError(f"cannot connect to {host}: {error}")
"""


def test_a_server_that_nobody_runs(
    run_step: RunStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pymysql.py").write_text(DRIVER)
    monkeypatch.syspath_prepend(tmp_path)
    started = time.monotonic()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        # Bound, but nobody listens.
        uri = f"mysql+pymysql://user:{CANARY}@127.0.0.1:{probe.getsockname()[1]}/mlflow"
        with tracking(uri, monkeypatch):
            ended = run_step_without_runs(run_step, monkeypatch)
    assert (ended.code, ended.err.count("\n")) == (FAILURE, 1), ended.err
    assert "could not open the database mysql+pymysql://***@127.0.0.1:" in ended.err
    assert "Connection refused; is the server there, and the login right?" in ended.err
    assert CANARY not in ended.out + ended.err
    # MLflow itself goes on trying for 100 seconds.
    assert time.monotonic() - started < 20


def test_a_place_where_no_file_can_be(run_step: RunStep, monkeypatch: pytest.MonkeyPatch) -> None:
    with tracking("sqlite:////proc/store.db", monkeypatch):
        ended = run_step_without_runs(run_step, monkeypatch)
    assert (ended.code, ended.err.count("\n")) == (FAILURE, 1), ended.err
    assert "/proc/store.db" in ended.err


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a real file system in which a new database fits."""
    with small_disk(tmp_path / "disk", 3) as place:
        yield place


@pytest.mark.slow
def test_full_disk_under_the_database(
    run_step: RunStep, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filler = fill(disk)
    with tracking(f"sqlite:///{disk}/new.db", monkeypatch):
        new = run_step_without_runs(run_step, monkeypatch)
    assert (new.code, new.err.count("\n")) == (FAILURE, 1), new.err
    assert "could not open the database" in new.err
    assert "disk is full; is its disk full" in new.err
    filler.unlink()

    with tracking(f"sqlite:///{disk}/store.db", monkeypatch):
        assert run_step("preprocess").code == 0
        filler = fill(disk)
        full = run_step("preprocess")
        assert (full.code, full.err.count("\n")) == (FAILURE, 1), full.err
        assert "the database of runs failed: database or disk is full; is its disk" in full.err
        filler.unlink()
        assert run_step("preprocess").code == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_while_a_step_runs(
    run_step: RunStep, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = preparation.prepare

    def fill_and_prepare(*arguments: Any) -> Any:
        fill(disk)
        return prepare(*arguments)

    monkeypatch.setattr(preparation, "prepare", fill_and_prepare)
    with tracking(f"sqlite:///{disk}/store.db", monkeypatch):
        full = run_step("preprocess")
        assert (full.code, full.err.count("\n")) == (FAILURE, 1), full.err
        assert "disk is full" in full.err
        # What could not be written down is not taken for finished.
        assert full.run.info.status != "FINISHED"


def run_step_without_runs(run_step: RunStep, monkeypatch: pytest.MonkeyPatch) -> Ended:
    with monkeypatch.context() as context:
        context.setattr("tests.conftest.all_runs", lambda step: [])
        return run_step("preprocess")


def test_which_uris_are_servers() -> None:
    assert database.is_server("postgresql://u@h/db")
    assert database.is_server("mysql+pymysql://u@h/db")
    assert not database.is_server("sqlite:///mlflow.db")
    assert not database.is_server("https://host")
