"""What of a project is uploaded to Azure ML: a copy without secrets and local state."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pathspec import PathSpec

from mlflow_aml.errors import AzureMLError

MEGABYTE = 1_000_000
LIMIT_BYTES = 100 * MEGABYTE
# As azureml-core 1.61 does: the second file counts only where the first is missing.
IGNORE_FILES = (".amlignore", ".gitignore")
# Left out whatever the ignore file says: secrets, local runs, environments, caches.
NEVER = (
    "config.json",
    ".azureml/",
    "aml_config/",
    ".env",
    ".env.*",
    "mlruns/",
    "mlartifacts/",
    "*.db",
    ".git",
    ".venv/",
    "venv/",
    "node_modules/",
    "__pycache__/",
    ".*_cache/",
    "*.egg-info/",
)


@dataclass(frozen=True)
class Snapshot:
    """The files to upload, relative to the project, with their sizes in bytes."""

    project: Path
    sizes: dict[PurePosixPath, int]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    def __contains__(self, path: Path) -> bool:
        """Tell if an absolute, resolved path is uploaded: a file, or a folder of files."""
        if not path.is_relative_to(self.project):
            return False
        name = PurePosixPath(path.relative_to(self.project).as_posix())
        return any(name == file or name in file.parents for file in self.sizes)

    def copy_to(self, folder: Path) -> None:
        """Copy the files; what is not in the copy cannot be uploaded by mistake."""
        for name in self.sizes:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.project / name, target)


def take_snapshot(project: Path) -> Snapshot:
    """List what would be uploaded of a project folder."""
    project = project.resolve()
    ignored = PathSpec.from_lines("gitwildmatch", [*_ignore_lines(project), *NEVER])
    return Snapshot(project, dict(_walk(project, ignored)))


def _ignore_lines(project: Path) -> Sequence[str]:
    for name in IGNORE_FILES:
        path = project / name
        if path.is_file():
            return path.read_text(encoding="utf-8").splitlines()
    return ()


def _walk(project: Path, ignored: PathSpec) -> Iterator[tuple[PurePosixPath, int]]:
    for folder, folders, files in os.walk(project):
        here = PurePosixPath(Path(folder).relative_to(project).as_posix())
        folders[:] = sorted(name for name in folders if not ignored.match_file(f"{here / name}/"))
        for name in sorted(files):
            path = Path(folder, name)
            # A link may lead to data outside the project, which must not leave this machine.
            inside = path.resolve().is_relative_to(project)
            if inside and path.is_file() and not ignored.match_file(str(here / name)):
                yield here / name, path.stat().st_size


def check_size(snapshot: Snapshot, limit: int = LIMIT_BYTES) -> None:
    """Stop an upload that is too large, and say which folders weigh most."""
    if snapshot.size <= limit:
        return
    weights: Counter[str] = Counter()
    for name, size in snapshot.sizes.items():
        weights[f"{name.parts[0]}/" if len(name.parts) > 1 else name.parts[0]] += size
    heaviest = ", ".join(
        f"{name} {size / MEGABYTE:,.1f} MB" for name, size in weights.most_common(3)
    )
    raise AzureMLError(
        f"the project has {snapshot.size / MEGABYTE:,.1f} MB to upload, expected at most "
        f"{limit / MEGABYTE:,.0f} MB; most of it: {heaviest}; name in {IGNORE_FILES[0]} what the "
        "job does not need"
    )
