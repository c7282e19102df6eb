"""Files of the user's own that lie in a project's folder: new rows, outputs, archives."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

from mlflow_aml.project_files import MEGABYTE, ProjectFiles

LARGE_BYTES = 10 * MEGABYTE
DATA = (
    *(".csv", ".tsv", ".parquet", ".feather", ".arrow", ".orc", ".avro", ".jsonl", ".ndjson"),
    *(".xls", ".xlsx", ".npy", ".npz", ".h5", ".hdf5", ".pkl", ".pickle", ".joblib", ".skops"),
    *(".zip", ".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".7z"),
)


def stray_files(files: ProjectFiles) -> list[PurePosixPath]:
    """Name the files to upload that are large or look like data, and are not the project's own.

    What git tracks or MLproject names, such as a parameter's default, is the project's own.
    """
    looked_at = [
        name
        for name, size in files.sizes.items()
        if size >= LARGE_BYTES or name.name.lower().endswith(DATA)
    ]
    if not looked_at:
        return []
    tracked, declared = _tracked(files.project), _declared(files.project)
    return [name for name in looked_at if str(name) not in tracked and str(name) not in declared]


def _tracked(project: Path) -> frozenset[str]:
    """List what git tracks; nothing if there is no git, or this is none of its work trees."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=project, capture_output=True, check=False
        )
    except OSError:
        return frozenset()
    return frozenset(os.fsdecode(listed.stdout).split("\0"))


def _declared(project: Path) -> str:
    path = project / "MLproject"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
