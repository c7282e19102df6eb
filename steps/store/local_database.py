"""Check that MLflow can write to a database on this machine."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from steps.base.errors import FAILURE, StepError
from steps.base.places import check_file


def check_writable(uri: str) -> None:
    """Raise a StepError if a tracking URI names a sqlite database that cannot be written to.

    MLflow 3.15 itself would retry ten times over 100 seconds and show each failure.
    """
    path = _path(uri)
    if path is None:
        return
    try:
        check_file(path)
        if path.exists():
            # SQLite itself notices only when it writes.
            if not os.access(path, os.W_OK):
                raise StepError("expected a file that may be written to, found a read-only one")
            _begin_to_write(path)
    except (StepError, sqlite3.Error) as error:
        reason = str(error).partition(";")[0]
        raise StepError(
            f"could not use the database {path}: {reason}; make it writable, or name another one "
            "with MLFLOW_TRACKING_URI=sqlite:////…/mlflow.db",
            exit_code=FAILURE,
        ) from error


def _path(uri: str) -> Path | None:
    """Return the file of a sqlite database; None for any other store or one in memory."""
    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    database = url.database or ":memory:"
    if url.get_backend_name() != "sqlite" or database.startswith((":memory:", "file:")):
        return None
    return Path(database)


def _begin_to_write(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # Busy means that another step is writing right now, so the file is writable.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
