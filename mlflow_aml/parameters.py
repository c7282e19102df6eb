"""Which parameters of a project run name files of this machine, which the cluster cannot read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow_aml.errors import AzureMLError
from mlflow_aml.snapshot import Snapshot

# Two letters at least: C:\ is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def parameters_for_job(
    parameters: Mapping[str, str], snapshot: Snapshot, paths: Collection[str], here: Path
) -> dict[str, str]:
    """Check the parameters, and name uploaded files as the job will see them.

    `paths` are the parameters of MLproject's type `path`: they may name a folder, and are
    relative to the current folder `here`; a string is relative to the project, as the command
    runs there. URIs pass, and so does every text that names no file of this machine.
    """
    return {
        name: _for_job(name, value, snapshot, here if name in paths else None)
        for name, value in parameters.items()
    }


def _for_job(name: str, value: str, snapshot: Snapshot, here: Path | None) -> str:
    path = local_path(value)
    if path is None:
        return value
    path = ((here or snapshot.project) / path).resolve()
    if not (path.is_file() or (here is not None and path.is_dir())):
        return value
    if path in snapshot:
        return path.relative_to(snapshot.project).as_posix()
    where = (
        "is left out of the upload (.amlignore)"
        if path.is_relative_to(snapshot.project)
        else "is outside the project"
    )
    raise AzureMLError(
        f"parameter {name}: '{value}' is not on the cluster, it {where}; give a URI, or a file "
        "that is uploaded with the project"
    )


def local_path(value: str) -> Path | None:
    """Read a text as a path of this machine, or None if it cannot be one."""
    if value.startswith("file:"):
        return Path(unquote(urlsplit(value).path))
    if not value or _SCHEME.match(value) or "\0" in value:
        return None
    # Longer than any file's name: the os would raise.
    if len(value) > 4000 or any(len(part.encode()) > 255 for part in value.split("/")):
        return None
    return Path(value).expanduser() if value.startswith("~/") else Path(value)
