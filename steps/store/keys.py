"""Hash everything that a step's result depends on: its key.

A step declares the code and libraries that affect its result (`chain.Reuse`); a test compares the
declaration with the step's imports. No key includes login, console, report or this room: they
cannot change a result.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import steps

PACKAGE = Path(steps.__file__).parent


def step_key(
    name: str,
    parameters: Mapping[str, Any],
    source: str,
    code: str,
    libraries: Mapping[str, str],
) -> str:
    """Hash the entry point, its parameters, the digest of its input, its code and its libraries.

    `parameters` are parsed values, so the spelling of a value does not change the key.
    """
    content = [name, parameters, source, code, dict(sorted(libraries.items()))]
    return hashlib.sha256(json.dumps(content, default=repr).encode()).hexdigest()


def code_digest(parts: Sequence[str], package: Path = PACKAGE) -> str:
    """Hash source files of a package: each part is a folder in it, or a module (``train.py``)."""
    files = {
        file.relative_to(package).as_posix(): file
        for part in parts
        for file in _source_files(package / part)
    }
    total = hashlib.sha256()
    for name in sorted(files):
        # Git may check out other line endings on another machine; the code is the same.
        code = files[name].read_bytes().replace(b"\r\n", b"\n")
        total.update(f"{name} {hashlib.sha256(code).hexdigest()}\n".encode())
    return total.hexdigest()


def _source_files(part: Path) -> list[Path]:
    return [part] if part.suffix == ".py" else list(part.rglob("*.py"))


def library_versions(names: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each library, and the minor version of Python."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, **{name: metadata.version(name) for name in names}}
