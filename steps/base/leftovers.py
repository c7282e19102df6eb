"""What a killed process leaves behind: known by its lock, and taken away by a later one.

Whoever makes a temporary file or folder holds a lock on it until it is gone or in its place. The
lock ends with the process, whatever ended that.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path


def create_locked(create: Callable[[], Path]) -> tuple[Path, int]:
    """Make a file or folder and lock it; give its path, and the descriptor to close in the end."""
    while True:
        path = create()
        # Another process may sweep it away before it is locked.
        try:
            lock = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        if _is_mine(lock) and path.exists():
            return path, lock
        os.close(lock)


def sweep(paths: Iterable[Path]) -> None:
    """Remove those files and folders that no living process has locked."""
    for path in paths:
        # Whatever may not be removed stays, as does what another process has just removed.
        with suppress(OSError):
            mode = path.lstat().st_mode
            # To open a FIFO would wait for its writer.
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                _sweep(path)


def _sweep(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _lock(descriptor):
            remove(path)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or folder, as far as it can be removed."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_mine(descriptor: int) -> bool:
    try:
        return _lock(descriptor)
    except OSError:
        # A file system without locks (NFS has none for folders): nobody can sweep there either.
        return True


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        # An open file cannot be deleted there, so sweeping away a living writer's fails anyway.
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        """Tell whether the lock could be had; raises OSError if there are no locks here."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
