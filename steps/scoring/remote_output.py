"""Outputs in remote storage: written to this machine first, and uploaded when they are whole.

A file appears there at once. A folder does not: its parts come one after the other, under the names
of the old ones, and old parts that are left over go last.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec

from steps.base.errors import FAILURE, StepError, first_line
from steps.base.secrets import masked
from steps.data.sources import local_path, reading, without_secrets
from steps.scoring.quarantine import rejected_name, rejected_path
from steps.scoring.sinks import FOLDER, PART_NAME, kind


def is_remote(output: str) -> bool:
    """Return whether an output is not on this machine."""
    return local_path(output) is None


def check(output: str, input: str, scheduler: str | None) -> None:
    """Raise a StepError for an output that this machine cannot write, before any row is read.

    A folder must be new, or hold parts of this project only.
    """
    check_apart(output, input)
    if scheduler is not None and kind(Path(output)) == FOLDER:
        raise StepError(
            f"expected an output on storage that all workers share as a folder, found "
            f"{without_secrets(output)}; use scheduler=none, or a mounted folder"
        )
    with reading(output):
        filesystem, path = fsspec.core.url_to_fs(output)
        strangers = _other_files(filesystem, path) if kind(Path(path)) == FOLDER else []
    if strangers:
        raise StepError(
            f"expected a new folder, or one that holds this project's parts only, found "
            f"{strangers[0]} in {without_secrets(output)}; choose another output"
        )


def check_apart(output: str, input: str) -> None:
    """Raise a StepError if an output is an input, or lies in one."""
    place, read = (without_secrets(each).rstrip("/") for each in (output, input))
    if place == read or place.startswith(f"{read}/"):
        raise StepError(
            f"expected an output apart from what is read, found {place} in {read}; choose another "
            "output"
        )


def deliver(written: Path, output: str) -> str:
    """Upload what was written, bad rows included, if the output is remote; return its place.

    A place on this machine is an absolute path, any other an address without its query.
    """
    if not is_remote(output):
        return str(written.absolute())
    with reading(output):
        filesystem, path = fsspec.core.url_to_fs(output)
    path = path.rstrip("/")
    try:
        if written.is_dir():
            names = {part.name for part in sorted(written.iterdir())}
            for name in sorted(names):
                filesystem.put_file(str(written / name), f"{path}/{name}")
            for left in _files(filesystem, path):
                if left.rpartition("/")[2] not in names:
                    filesystem.rm_file(left)
        else:
            filesystem.put_file(str(written), path)
        rejected = rejected_path(written)
        if rejected.exists():
            filesystem.put_file(str(rejected), rejected_name(path))
    except Exception as error:
        raise StepError(
            f"could not write {without_secrets(output)} ({masked(first_line(error))}); a folder "
            "may be incomplete: score again",
            exit_code=FAILURE,
        ) from error
    return without_secrets(output)


def _files(filesystem: Any, folder: str) -> list[str]:
    filesystem.invalidate_cache()
    return sorted(filesystem.find(folder)) if filesystem.exists(folder) else []


def _other_files(filesystem: Any, folder: str) -> list[str]:
    start = f"{folder.strip('/')}/"
    return [
        path
        for path in _files(filesystem, folder)
        if not PART_NAME.fullmatch(path.strip("/").removeprefix(start))
    ]
