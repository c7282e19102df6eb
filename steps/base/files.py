"""Outputs that appear whole or not at all, and digests of inputs.

What is being written is `.<name>.<random>.part` beside its place. Its writer holds a lock on it,
so what a killed writer left behind is known for that and taken away by the next one.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from steps.base.errors import StepError

PART = ".part"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that takes its place when the block ends well.

    Each writer has a file of its own, so two writers of one path leave one whole result.
    """
    with _part(path, lambda part: part.touch(exist_ok=False)) as part:
        yield part
        if path.is_dir():
            raise StepError(f"expected a file name to write to, found the folder {path}")
        part.replace(path.resolve())


@contextmanager
def whole_folder(path: Path, ours: str) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that takes its place when the block ends well.

    A folder that is there already is replaced only if each file in it matches the pattern
    `ours`, that is, if an earlier run wrote it.
    """
    _check_replaceable(path, ours)
    with _part(path, Path.mkdir) as part:
        yield part
        _check_replaceable(path, ours)
        _swap(part, path.resolve())


def _check_replaceable(path: Path, ours: str) -> None:
    if path.is_file():
        raise StepError(f"expected a folder name to write to, found the file {path}")
    foreign: list[Path] = []
    # Another run may be putting its own folder in this one's place.
    with suppress(FileNotFoundError):
        foreign = [entry for entry in path.glob("*") if not entry.match(ours)]
    if foreign:
        raise StepError(
            f"expected a new folder, or one that holds {ours} only, found {foreign[0].name} in "
            f"{path}; choose another output"
        )


def _swap(part: Path, path: Path) -> None:
    # A folder that holds files cannot be replaced in one go, so the old one steps aside. Should
    # the process die right here, nothing has that name and the next run completes.
    while True:
        aside = _beside(path)
        with suppress(FileNotFoundError):
            path.rename(aside)
        try:
            part.rename(path)
        except OSError as error:
            # Another run has just put its folder there: that one is the old one now.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _part(path: Path, create: Callable[[Path], None]) -> Iterator[Path]:
    place = path.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        part, lock = _create_locked(place, create)
    except OSError as error:
        raise StepError(
            f"expected to write {path}, found {error.strerror}; choose another output"
        ) from error
    try:
        yield part
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        _remove(part)
        os.close(lock)


def unwritable(path: Path, error: OSError) -> StepError:
    """Say in one line that an output could not be written, and why."""
    return StepError(f"could not write {path}: {error.strerror or error}; nothing was left there")


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}{PART}")


def _create_locked(place: Path, create: Callable[[Path], None]) -> tuple[Path, int]:
    while True:
        part = _beside(place)
        create(part)
        # Another run may sweep it away before it is locked.
        try:
            lock = os.open(part, os.O_RDONLY)
        except FileNotFoundError:
            continue
        if _lock(lock) and part.exists():
            return part, lock
        os.close(lock)


def _sweep(place: Path) -> None:
    for left in place.parent.glob(f".{glob.escape(place.name)}.*{PART}"):
        with suppress(FileNotFoundError, PermissionError):
            lock = os.open(left, os.O_RDONLY)
            try:
                if _lock(lock):
                    _remove(left)
            finally:
                os.close(lock)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        # An open file cannot be deleted there, so sweeping away a living writer's fails anyway.
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder; one that cannot exist (too long a name, say) is none."""
    with suppress(OSError):
        return path.is_dir()
    return False


def file_digest(path: Path) -> str:
    """Compute the sha256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(paths: Iterable[Path]) -> str:
    """Compute one sha256 of the names and contents of files."""
    return named_digest((path.name, file_digest(path)) for path in paths)


def named_digest(digests: Iterable[tuple[str, str]]) -> str:
    """Compute one sha256 of the names of files and the digests of their contents."""
    lines = sorted(f"{name} {digest}\n" for name, digest in digests)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
