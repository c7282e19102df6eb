"""The key of a step: what decides its result, as one hash."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import steps
from steps.core.errors import StepError

PACKAGE = Path(steps.__file__).parent


def step_key(name: str, parameters: Mapping[str, str], source: str, code: str) -> str:
    """Hash the entry point, its parameters, the digest of its input and that of its code."""
    content = json.dumps([name, dict(sorted(parameters.items())), source, code])
    return hashlib.sha256(content.encode()).hexdigest()


def code_digest(module: str) -> str:
    """Hash the source files of `steps` that a module of it imports, and their packages' templates.

    Imports inside functions count. What is imported by name at run time does not: a step that
    runs another one in front of it does not contain the other one's code.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source_file(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting.extend(_imported(path.name, path.read_bytes()))
    # The pages that a package writes have templates beside its code.
    for folder in {path.parent for path in found.values()}:
        found |= {str(page.relative_to(PACKAGE)): page for page in folder.glob("templates/*")}
    total = hashlib.sha256()
    for name in sorted(found):
        # Git may check out other line ends on another machine; the code is the same.
        lines = found[name].read_bytes().replace(b"\r\n", b"\n")
        total.update(f"{name} {hashlib.sha256(lines).hexdigest()}\n".encode())
    return total.hexdigest()


def _source_file(module: str) -> Path | None:
    package, *rest = module.split(".")
    if package != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if rest and candidate.is_file():
            return candidate
    return None


@cache
def _imported(name: str, code: bytes) -> tuple[str, ...]:
    # Parsing is nearly all of a digest's time, and a process needs several digests of much the
    # same files. By their content, so that a file that changes is parsed again.
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise StepError(f"could not read the code of {name}: {error}") from error
    return tuple(_names(tree))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
