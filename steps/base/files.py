"""Outputs that appear whole or not at all, and digests of inputs.

What is being written is `.<name>.<random>.part` beside its place. Its writer holds a lock on it,
so what a killed writer left behind is known for that and taken away by the next one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from steps.base.errors import StepError
from steps.base.leftovers import create_locked, remove, sweep
from steps.base.places import check_file, check_folder

PART = ".part"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that takes its place when the block ends well.

    Each writer has a file of its own, so two writers of one path leave one whole result.
    """
    check_file(path)
    with _part(path, lambda part: part.touch(exist_ok=False)) as part:
        yield part
        check_file(path)
        part.replace(path.resolve())


@contextmanager
def whole_folder(path: Path, own: re.Pattern[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that takes its place when the block ends well.

    A folder that is there already is replaced only if all in it are files whose names match
    `own`, that is, if an earlier run wrote them.
    """
    check_folder(path, own)
    with _part(path, Path.mkdir) as part:
        yield part
        check_folder(path, own)
        _swap(part, path.resolve())


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

    def new() -> Path:
        part = _beside(place)
        create(part)
        return part

    with output_errors(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        sweep(_left(place))
        part, lock = create_locked(new)
        try:
            yield part
        finally:
            remove(part)
            os.close(lock)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Say in one line that an output could not be written, and why, if the block says so."""
    try:
        yield
    except OSError as error:
        raise StepError(
            f"could not write {path}: {error.strerror or error}; nothing was left there"
        ) from error


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}{PART}")


def _left(place: Path) -> list[Path]:
    name = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{8}}{re.escape(PART)}")
    # Who may write to a folder need not be able to list it.
    with suppress(PermissionError):
        return [path for path in place.parent.iterdir() if name.fullmatch(path.name)]
    return []


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
