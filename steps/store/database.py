"""Open or create MLflow's database: one process at a time, never half-made."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from steps.base import console
from steps.base.errors import FAILURE, StepError, first_line
from steps.base.places import check_file
from steps.base.secrets import masked

SERVERS = ("postgresql", "mysql", "mssql", "oracle")
# A running migration writes more often than this.
SECONDS_OF_QUIET = 10.0
LEFT_BY_A_MIGRATION = "_alembic_tmp_"


def is_server(uri: str) -> bool:
    """Tell whether a tracking URI names a database on a server."""
    return uri.partition(":")[0].partition("+")[0].lower() in SERVERS


def open_or_create(uri: str) -> None:
    """Open a database of runs once, so that any fault in it shows in one line; pass other stores.

    MLflow creates a database in dozens of migrations without a lock: if several processes do so
    at once, all fail and leave a database that nobody can open (mlflow 3.15). So create it under
    a lock, and first set aside a half-made one that holds no run.
    """
    path = file_of(uri)
    if path is None:
        if is_server(uri):
            _open(uri)
        return
    check_writable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            _set_aside_half_made(path)
            if not path.exists():
                path.touch()
            _open(uri)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def file_of(uri: str) -> Path | None:
    """Return the file of an SQLite database, by SQLAlchemy's own rules.

    None for any other store, and for a database in memory.
    """
    try:
        url = make_url(uri)
        if url.get_backend_name() != "sqlite":
            return None
        (name,), options = url.get_dialect()().create_connect_args(url)
    except ArgumentError:
        return None
    if options.get("uri"):
        # SQLite's own form, file:<path>?<options>.
        place = urlsplit(name)
        if "mode=memory" in place.query.split("&"):
            return None
        name = unquote(place.path)
    return None if name in ("", ":memory:") else Path(name)


def check_writable(path: Path) -> None:
    """Raise a StepError unless a database can be written to.

    MLflow 3.15 itself would retry ten times over 100 seconds and show each failure.
    """
    try:
        check_file(path)
        if path.exists():
            # SQLite itself notices only when it writes.
            if not os.access(path, os.W_OK):
                raise StepError("expected a file that may be written to, found a read-only one")
            _begin_to_write(path)
    except (StepError, sqlite3.Error) as error:
        raise _unusable(path, str(error).partition(";")[0]) from error


def _begin_to_write(path: Path) -> None:
    place = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(place, uri=True, timeout=0)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # Busy means that another step is writing right now, so the file is writable.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise


def _unusable(path: Path, reason: str) -> StepError:
    return StepError(
        f"could not use the database {path}: {reason}; make it writable, or name another one "
        "with MLFLOW_TRACKING_URI=sqlite:////…/mlflow.db",
        exit_code=FAILURE,
    )


def _open(uri: str) -> None:
    # The engine of MLflow's own stores, which knows their certificates and pools.
    from mlflow.store.db.utils import create_sqlalchemy_engine

    shown = masked(uri)
    try:
        # MLflow 3.15 itself would try ten times over 100 seconds, and show each failure.
        engine = create_sqlalchemy_engine(uri)
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
