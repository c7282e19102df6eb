"""One folder for all that is temporary in a step."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from steps.base.errors import FAILURE, StepError
from steps.base.leftovers import create_locked, remove, sweep

# Where Python and the programs that it starts look for a place for temporary files.
PLACE = "TMPDIR"
# steps.<name>-<process id>-<what tempfile adds>
NAME = re.compile(r"steps\.\w+-\d+-[a-z0-9_]{8}")


@contextmanager
def temporary_folder(step: str) -> Iterator[Path]:
    """Yield a folder that is removed when the block ends.

    In the block, libraries and started processes (MLflow, Dask, joblib) have it as their place for
    temporary files. What killed steps have left is removed first.
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
    """Yield the temporary folders of this user's steps: others' locks may not be visible here."""
    with os.scandir(place) as entries:
        names = [entry for entry in entries if NAME.fullmatch(entry.name)]
    for entry in names:
        # Another step may just be removing its own.
        with suppress(FileNotFoundError):
            if entry.stat(follow_symlinks=False).st_uid == _user():
                yield Path(entry.path)


def _user() -> int:
    # Windows has no numbers for users, and shows 0 for the owner of a file.
    return os.getuid() if hasattr(os, "getuid") else 0
