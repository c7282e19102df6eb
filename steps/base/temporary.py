"""One folder for all temporary files of a step."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from steps.base.errors import FAILURE, StepError
from steps.base.leftovers import create_locked, remove, sweep

# The variable that tells Python and the programs it starts where to put temporary files.
PLACE = "TMPDIR"
# steps.<name>-<process id>-<random part from tempfile>
NAME = re.compile(r"steps\.\w+-\d+-[a-z0-9_]{8}")


@contextmanager
def temporary_folder(step: str) -> Iterator[Path]:
    """Yield a folder that is removed when the block ends.

    Inside the block, libraries and child processes (MLflow, Dask, joblib) put their temporary
    files there. Folders that killed steps left behind are removed first.
    """
    folder, lock = _create(step)
    before, cached = os.environ.get(PLACE), tempfile.tempdir
    os.environ[PLACE] = tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = cached
        if before is None:
            del os.environ[PLACE]
        else:
            os.environ[PLACE] = before
        remove(folder)
        os.close(lock)


def _create(step: str) -> tuple[Path, int]:
    prefix = f"steps.{step}-{os.getpid()}-"
    try:
        sweep(_mine(Path(tempfile.gettempdir())))
        return create_locked(lambda: Path(tempfile.mkdtemp(prefix=prefix)))
    except OSError as error:
        raise StepError(
            f"expected a place for temporary files, found {error.strerror}; "
            f"give another one with the environment variable {PLACE}",
            exit_code=FAILURE,
        ) from error


def _mine(place: Path) -> Iterator[Path]:
    """Yield the temporary folders of this user's steps; other users' locks may be invisible."""
    with os.scandir(place) as entries:
        names = [entry for entry in entries if NAME.fullmatch(entry.name)]
    for entry in names:
        # Another step may be removing its own folder right now.
        with suppress(FileNotFoundError):
            if entry.stat(follow_symlinks=False).st_uid == _user():
                yield Path(entry.path)


def _user() -> int:
    # Windows has no user numbers, and reports 0 as the owner of a file.
    return os.getuid() if hasattr(os, "getuid") else 0
