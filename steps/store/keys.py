"""The key of a step: what decides its result, as one hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import steps

PACKAGE = Path(steps.__file__).parent
# Found as text: parsing all files would take a tenth of a second for each key. What only looks
# like an import, in a docstring say, can add a file to a key; none is left out.
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.+)|import[ \t]+([\w.]+))", re.M
)


def step_key(name: str, parameters: Mapping[str, str], source: str, code: str) -> str:
    """Hash the entry point, its parameters, the digest of its input and that of its code."""
    content = json.dumps([name, dict(sorted(parameters.items())), source, code])
    return hashlib.sha256(content.encode()).hexdigest()


def code_digest(module: str) -> str:
    """Hash the source files of `steps` that a module of it imports, and their packages' templates.

    Imports inside functions count. What is imported by name at run time does not: a step that
    runs another one in front of it does not contain the other one's code.
    """
    found: dict[str, bytes] = {}
    folders = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source_file(name)
        if path is None or name in found:
            continue
        found[name] = _code(path)
        folders.add(path.parent)
        waiting.extend(_imported(found[name].decode()))
    # The pages that a package writes have templates beside its code.
    for folder in folders:
        found |= {
            str(page.relative_to(PACKAGE)): _code(page) for page in folder.glob("templates/*")
        }
    total = hashlib.sha256()
    for name in sorted(found):
        total.update(f"{name} {hashlib.sha256(found[name]).hexdigest()}\n".encode())
    return total.hexdigest()


def _code(path: Path) -> bytes:
    # Git may check out other line ends on another machine; the code is the same.
    return path.read_bytes().replace(b"\r\n", b"\n")


def _source_file(module: str) -> Path | None:
    package, *rest = module.split(".")
    if package != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if rest and candidate.is_file():
            return candidate
    return None


def _imported(code: str) -> Iterator[str]:
    for package, names, module in IMPORT.findall(code):
        yield package or module
        yield from (f"{package}.{name}" for name in re.findall(r"\w+", names))
