"""A database that cannot be written to is known at once: MLflow goes on trying for 100 seconds."""

from __future__ import annotations

import os
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


def test_read_only_folder(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("root may write anywhere")
    with pytest.raises(StepError, match="may not be written to"):
        check_writable(f"sqlite:///{locked}/s.db")


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
