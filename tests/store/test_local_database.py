"""A database that cannot be written to is known at once: MLflow goes on trying for 100 seconds."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from steps.base.errors import FAILURE, StepError
from steps.cli import launch
from steps.store.chain import load
from steps.store.local_database import check_writable
from tests.conftest import DIABETES, tracking
from tests.unprivileged import read_only_folder, run_unprivileged


def test_stores_that_are_no_database_on_this_machine() -> None:
    for uri in ("file:///nowhere", "http://host/", "postgresql://host/db", "sqlite://", "mlruns"):
        check_writable(uri)


def test_database_that_is_not_there_yet(tmp_path: Path) -> None:
    check_writable(f"sqlite:///{tmp_path}/new/store.db")
    assert not (tmp_path / "new").exists()


def test_database_that_another_step_writes_to(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "s.db", timeout=0)) as database:
        database.execute("CREATE TABLE t (x)")
        check_writable(f"sqlite:///{tmp_path}/s.db")


def test_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("a table of the last year, say; not a database" * 100)
    with pytest.raises(StepError, match=r"s\.db: file is not a database") as raised:
        check_writable(f"sqlite:///{tmp_path}/s.db")
    assert raised.value.exit_code == FAILURE


STEP = (
    "from steps.cli import launch\nfrom steps.store.chain import load\nstep = load('preprocess')\n"
)


@pytest.mark.parametrize("there", [False, True])
def test_read_only_project_folder(there: bool) -> None:
    with read_only_folder() as folder:
        if there:
            with closing(sqlite3.connect(folder / "s.db")) as database:
                database.execute("CREATE TABLE t (x)")
        started = time.monotonic()
        ended = run_unprivileged(
            STEP,
            f"raise SystemExit(launch(step, ['--data={DIABETES}']))",
            folder,
            MLFLOW_TRACKING_URI="sqlite:///s.db",
        )
        assert (ended.returncode, ended.stderr.count("\n")) == (FAILURE, 1), ended.stderr
        assert "error: could not use the database s.db: expected to write s.db" in ended.stderr
        assert "may not be written to; make it writable, or name another one" in ended.stderr
        assert time.monotonic() - started < 30


def test_read_only_file() -> None:
    with read_only_folder() as folder:
        with closing(sqlite3.connect(folder / "s.db")) as database:
            database.execute("CREATE TABLE t (x)")
        (folder / "s.db").chmod(0o444)
        folder.chmod(0o777)
        check = "check_writable('sqlite:///s.db')"
        ended = run_unprivileged(
            "from steps.store.local_database import check_writable\n", check, folder
        )
        assert "s.db: expected a file that may be written to, found a read-only one" in ended.stderr


def test_a_step_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # To open it fails as a database in a read-only folder does.
    (tmp_path / "store.db").mkdir()
    started = time.monotonic()
    with tracking(f"sqlite:///{tmp_path}/store.db", monkeypatch):
        assert launch(load("preprocess"), [f"--data={DIABETES}"]) == FAILURE
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "found the folder" in error
    assert time.monotonic() - started < 5
