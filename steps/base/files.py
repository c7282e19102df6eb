"""Outputs that appear whole or not at all, and digests of inputs.

An output is written as `.<name>.<random>.part` beside its destination. Its writer holds a lock on
it, so the next writer can recognise and remove what a killed one left behind.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from steps.base.errors import StepError
from steps.base.leftovers import create_locked, remove, sweep
from steps.base.places import check_file, check_folder

PART = ".part"
T = TypeVar("T")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that replaces `path` if the block succeeds.

    Each writer has its own file, so two writers of the same path leave one complete result.
    """
    check_file(path)
    with _part(path, lambda part: part.touch(exist_ok=False)) as part:
        yield part
        check_file(path)
        with output_errors(path):
            part.replace(path.resolve())


@contextmanager
def whole_folder(path: Path, own: re.Pattern[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that replaces `path` if the block succeeds.

    An existing folder is replaced only if it holds nothing but files whose names match `own`,
    that is, files that an earlier run wrote.
    """
    check_folder(path, own)
    with _part(path, Path.mkdir) as part:
        yield part
        check_folder(path, own)
        with output_errors(path):
            _swap(part, path.resolve())


@contextmanager
def with_companion(output: AbstractContextManager[Path], path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield temporary places of an output and of a file at `path`; both appear, or neither does.

    `output` is a `whole_file` or a `whole_folder` that has not been entered.
    """
    check_file(path)
    with (
        _part(path, lambda part: part.touch(exist_ok=False)) as companion,
        _replacing(path.resolve()) as replace,
        output as part,
    ):
        yield part, companion
        check_file(path)
        with output_errors(path):
            replace(companion)


@contextmanager
def _replacing(path: Path) -> Iterator[Callable[[Path], None]]:
    """Yield a function that moves a file to `path`; if the block fails, the old one returns."""
    aside = _beside(path)
    moved: list[Path] = []

    def replace(part: Path) -> None:
        moved.append(part)
        with suppress(FileNotFoundError):
            path.rename(aside)
        part.rename(path)

    try:
        yield replace
    except BaseException:
        if moved:
            path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                aside.rename(path)
        raise
    aside.unlink(missing_ok=True)


def _swap(part: Path, path: Path) -> None:
    # A folder that holds files cannot be replaced atomically, so the old one is moved aside. If
    # the process dies right here, nothing has that name, and the next run still succeeds.
    while True:
        aside = _beside(path)
        with suppress(FileNotFoundError):
            path.rename(aside)
        try:
            part.rename(path)
        except OSError as error:
            # Another run has just put its folder there: move that one aside too.
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
    # Errors of the block stay as they are: it reads, too.
    try:
        yield part
    finally:
        remove(part)
        os.close(lock)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into one line that says which output failed and why."""
    try:
        yield
    except OSError as error:
        raise StepError(
            f"could not write {path}: {error.strerror or error}; nothing was left there"
        ) from error


@contextmanager
def writing(path: Path, opened: AbstractContextManager[T]) -> Iterator[T]:
    """Enter and leave a context manager that writes an output: its OSErrors become one line.

    Errors of the block stay as they are, for it reads too. After one of them, those of leaving
    count for nothing.
    """
    with output_errors(path):
        entered = opened.__enter__()
    try:
        yield entered
    except BaseException as error:
        with suppress(OSError):
            opened.__exit__(type(error), error, error.__traceback__)
        raise
    with output_errors(path):
        opened.__exit__(None, None, None)


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}{PART}")


def _left(place: Path) -> list[Path]:
    name = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{8}}{re.escape(PART)}")
    # A user who may write to a folder may not be allowed to list it.
    with suppress(PermissionError):
        return [path for path in place.parent.iterdir() if name.fullmatch(path.name)]
    return []


def is_folder(path: Path) -> bool:
    """Check whether a path is a folder; False if it cannot exist (its name is too long, say)."""
    with suppress(OSError):
        return path.is_dir()
    return False


def file_digest(path: Path) -> str:
    """Compute the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(paths: Iterable[Path]) -> str:
    """Compute one sha256 of the names and contents of files."""
    return named_digest((path.name, file_digest(path)) for path in paths)


def named_digest(digests: Iterable[tuple[str, str]]) -> str:
    """Compute one sha256 of the names of files and the digests of their contents."""
    lines = sorted(f"{name} {digest}\n" for name, digest in digests)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
