"""Outputs that appear whole or not at all, and digests of inputs."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from steps.core.errors import StepError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that takes its place when the block ends well.

    Each writer has a file of its own, so two writers of one path leave one whole result.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part"
        )
    except OSError as error:
        raise StepError(
            f"expected to write {path}, found {error.strerror}; choose another output"
        ) from error
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
        if path.is_dir():
            raise StepError(f"expected a file name to write to, found the folder {path}")
        # mkstemp makes a private file; an output is as readable as any other file one makes.
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        raise StepError(f"could not write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def file_digest(path: Path) -> str:
    """Compute the sha256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(paths: Iterable[Path]) -> str:
    """Compute one sha256 of the names and contents of files."""
    lines = sorted(f"{path.name} {file_digest(path)}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
