"""Open or create MLflow's database: one process at a time, never half-made."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from steps.base import console
from steps.base.errors import FAILURE, StepError, first_line
from steps.base.secrets import masked

SERVERS = ("postgresql", "mysql", "mssql", "oracle")
SQLITE = "sqlite:///"
# A running migration writes more often than this.
SECONDS_OF_QUIET = 10.0
LEFT_BY_A_MIGRATION = "_alembic_tmp_"


def is_server(uri: str) -> bool:
    """Tell whether a tracking URI names a database on a server."""
    return uri.partition(":")[0].partition("+")[0].lower() in SERVERS


def open_or_create(uri: str) -> None:
    """Open the tracking store once, so that any fault in it shows in one line.

    MLflow creates a database in dozens of migrations without a lock: if several processes do so
    at once, all fail and leave a database that nobody can open (mlflow 3.15). So create it under
    a lock, and first set aside a half-made one that holds no run.
    """
    path = _file(uri)
    if path is None and not is_server(uri):
        return
    if path is None:
        _open(uri)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            _set_aside_half_made(path)
            if not path.exists():
                path.touch()
            _open(uri)
    except OSError as error:
        raise StepError(
            f"could not create the database {masked(uri)}: {error.strerror}; name another one "
            "with MLFLOW_TRACKING_URI=sqlite:////…/mlflow.db",
            exit_code=FAILURE,
        ) from error


def _file(uri: str) -> Path | None:
    if not uri.startswith(SQLITE):
        return None
    path = uri.removeprefix(SQLITE).partition("?")[0]
    return Path(path) if path not in ("", ":memory:") else None


def _open(uri: str) -> None:
    shown = masked(uri)
    try:
        # MLflow 3.15 itself would try ten times over 100 seconds, and show each failure.
        engine = create_engine(uri)
        engine.connect().close()
        engine.dispose()
        MlflowClient(uri).search_experiments(max_results=1)
    except ModuleNotFoundError as error:
        raise StepError(
            f"expected the driver of the database {shown}, found no package {error.name}: "
            f"pip install {error.name}"
        ) from error
    except (MlflowException, SQLAlchemyError, OSError) as error:
        hint = "is its disk full or read-only, or did a killed migration leave it so?"
        if is_server(uri):
            hint = "is the server there, and the login right?"
        reason = first_line(error.orig if isinstance(error, DBAPIError) and error.orig else error)
        raise StepError(
            f"could not open the database {shown}: {reason}; {hint}", exit_code=FAILURE
        ) from error


def _set_aside_half_made(path: Path) -> None:
    while path.exists() and _is_half_made(path):
        # `mlflow run` and `mlflow ui` ignore the lock: one of them may be creating it right now.
        if time.time() - path.stat().st_mtime < SECONDS_OF_QUIET:
            time.sleep(0.2)
            continue
        aside = path.with_name(f"{path.name}.half-made")
        path.replace(aside)
        # The journal belongs to the old file; SQLite would roll it back into the new one.
        for end in ("-journal", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        console.warn(f"{path} was half-made and held no run; it is called {aside.name} now")


def _is_half_made(path: Path) -> bool:
    """Tell whether a killed or concurrent migration left a database that holds no run yet."""
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if not tables:
                return True
            if "experiments" not in tables:
                # Either another program's database, or ours with only its first table.
                return tables <= {"alembic_version"}
            left = any(name.startswith(LEFT_BY_A_MIGRATION) for name in tables)
            version = "alembic_version" in tables and database.execute(
                "SELECT count(*) FROM alembic_version"
            ).fetchone() == (1,)
            used = "runs" in tables and database.execute("SELECT 1 FROM runs LIMIT 1").fetchone()
    except sqlite3.Error:
        return False
    return (left or not version) and not used


if sys.platform == "win32":

    @contextmanager
    def _lock(path: Path) -> Iterator[None]:
        # Windows cannot lock folders.
        yield
else:
    import fcntl

    @contextmanager
    def _lock(path: Path) -> Iterator[None]:
        # Lock the folder itself: that leaves no lock file, and works if it is read-only.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
