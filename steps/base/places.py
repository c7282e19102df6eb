"""Where an output may go: a new path, a regular file, or a folder of this project's parts."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from steps.base.errors import StepError

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "FIFO",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFLNK: "link",
}


def check_file(path: Path) -> None:
    """Raise a StepError unless `path` is new or a regular file, and can be written."""
    kind = _kind_of(path)
    if kind not in ("", "file"):
        raise StepError(
            f"expected a new name or a file to write to, found the {kind} {path}; "
            "choose another output"
        )
    _check_parent(path)


def check_folder(path: Path, part: re.Pattern[str]) -> None:
    """Raise a StepError unless `path` is new or a folder of parts only, and can be written.

    A part is a regular file, not a link, whose whole name matches `part`.
    """
    kind = _kind_of(path)
    if kind not in ("", "folder"):
        raise StepError(
            f"expected a new name or a folder to write to, found the {kind} {path}; "
            "choose another output"
        )
    for name, found in _inside(path):
        kind = _name(found.st_mode)
        if kind != "file" or not part.fullmatch(name):
            raise StepError(
                f"expected a new folder, or one that holds this project's parts only, found the "
                f"{kind} {name} in {path}; choose another output"
            )
    _check_parent(path)


def check_apart(output: Path, inputs: Iterable[Path]) -> None:
    """Raise a StepError if the output is, contains or lies inside one of the inputs.

    This follows links, and recognises a file by any of its names (hard links).
    """
    place = output.resolve()
    inside = {_identity(found) for _, found in _inside(output)} if output.is_dir() else set()
    itself = {_identity(found) for found in _at(output)}
    for each in inputs:
        source = each.resolve()
        identity = {_identity(found) for found in _at(source)}
        if place == source or identity & itself:
            how = "is"
        elif place in source.parents or identity & inside:
            how = "holds"
        elif source in place.parents:
            how = "lies in"
        else:
            continue
        raise StepError(
            f"expected an output outside of the input, found that {output} {how} {each}; "
            "choose another output"
        )


def _kind_of(path: Path) -> str:
    """Name the kind of file at a path, following links; "" if there is none."""
    try:
        return _name(path.stat().st_mode)
    except FileNotFoundError:
        return ""
    except OSError as error:
        # A file where a folder should be, a loop of links, no permission to look.
        raise StepError(
            f"expected to write {path}, found {error.strerror}; choose another output"
        ) from error


def _name(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "special file")


def _check_parent(path: Path) -> None:
    parent = path.resolve().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise StepError(
            f"expected to write {path}, found that {parent} may not be written to; "
            "choose another output"
        )


def _inside(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    # Another run may be replacing this folder with its own.
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name, entry.stat(follow_symlinks=False)


def _at(path: Path) -> list[os.stat_result]:
    with suppress(FileNotFoundError):
        return [path.stat()]
    return []


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
