"""Leftovers of killed processes: nobody holds their lock, so a later process removes them.

A process that creates a temporary file or folder holds a lock on it until it is removed or moved
into place. The lock ends with the process, however that ends.
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
    """Create a file or folder and lock it; return its path and the descriptor to close later."""
    while True:
        path = create()
        # Another process may remove it before it is locked.
        try:
            lock = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        if _is_mine(lock) and path.exists():
            return path, lock
        os.close(lock)


def sweep(paths: Iterable[Path]) -> None:
    """Remove the files and folders that no living process has locked."""
    for path in paths:
        # Skip what may not be removed, and what another process has just removed.
        with suppress(OSError):
            mode = path.lstat().st_mode
            # Opening a FIFO would wait for its writer.
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
        # On a file system without locks (NFS has none for folders), nobody else can sweep either.
        return True


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        # Windows cannot delete an open file, so sweeping one that is being written fails anyway.
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        """Try to take the lock, and return whether it worked; OSError if locks do not exist."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
