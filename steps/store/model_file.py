"""Read a model folder that anyone may have written, without running any of its code.

Every model (from a folder, `runs:/`, `models:/`, the champion, a comparison) passes through here.
It is accepted only if `train` could have written it: skops reads the file with the project's own
list of types, and every path, module and code that the folder names is ignored.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

import yaml

from steps.base.errors import StepError, first_line

MLMODEL = "MLmodel"
# The name that mlflow.sklearn gives to a model saved with skops.
MODEL_FILE = "model.skops"
# 100,000 columns need 6 MB.
LARGEST_MLMODEL = 32_000_000
DEEPEST = 16
# Python takes quadratic time to turn longer strings of digits into numbers.
LONGEST_PLAIN = 4_300
# Types that make skops import no other library; skops checks these against its own list.
BASIC = ("builtins.", "numpy.")
# Nodes for functions: none of the project's models has one.
CALLABLES = ("FunctionNode", "MethodNode", "OperatorFuncNode", "PartialNode")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Read the `MLmodel` file of a folder and return its `metadata`.

    Raise StepError if it asks for code, or for anything that `train` does not write.
    """
    with _open(folder, MLMODEL) as file:
        content = file.read(LARGEST_MLMODEL + 1)
    if len(content) > LARGEST_MLMODEL:
        raise refused(folder, f"an MLmodel file of more than {LARGEST_MLMODEL:,} bytes")
    try:
        described = _mapping(_parse(content.decode()))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise refused(folder, f"an unreadable MLmodel file ({first_line(error)})") from error
    flavors = _mapping(described.get("flavors"))
    own, general = _mapping(flavors.get("sklearn")), _mapping(flavors.get("python_function"))
    if own.get("serialization_format") != "skops":
        how = own.get("serialization_format", "not said")
        raise refused(folder, f"one whose serialization format is {how!r:.40}, not skops")
    if own.get("pickled_model") != MODEL_FILE or general.get("model_path") != MODEL_FILE:
        raise refused(folder, f"one whose file is not its own {MODEL_FILE}")
    if own.get("code") or general.get("code"):
        raise refused(folder, "one that brings code of its own")
    if general.get("loader_module") != "mlflow.sklearn":
        raise refused(folder, "one with a loader of its own")
    return _mapping(described.get("metadata"))


def read_estimator(folder: Path, trusted: Collection[str]) -> Any:
    """Load the model file of a folder if it consists of trusted types only.

    `trusted` are the only types that may come from outside Python and numpy.
    """
    # Check and load the same open file, so that nobody can swap it in between.
    with _open(folder, MODEL_FILE) as file:
        strangers = _strangers(file, folder, trusted)
        if strangers:
            raise refused(folder, f"one with types that are not trusted: {', '.join(strangers)}")
        file.seek(0)
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException

        try:
            return skops.io.load(file, trusted=list(trusted))
        except UntrustedTypesFoundException as error:
            raise refused(folder, first_line(error)) from error
        # A file that does not fit its own description can raise anything.
        except Exception as error:
            raise _damaged(folder, error) from error


def check_written(folder: Path, trusted: Collection[str]) -> None:
    """Check that a model just saved in a folder can be read again."""
    read_mlmodel(folder)
    with _open(folder, MODEL_FILE) as file:
        strangers = _strangers(file, folder, trusted)
    if strangers:
        raise StepError(
            f"expected an estimator of reviewed types, found {', '.join(strangers)}; add them to "
            "steps/store/models.py after a review"
        )


def refused(folder: Path, found: str) -> StepError:
    """Say in one line why a model is refused."""
    return StepError(
        f"expected a model that train of this project has logged, found {found} in {folder}; "
        "nothing of it was loaded: score a model of another program with mlflow models predict, "
        "if you trust it"
    )


def _open(folder: Path, name: str) -> BinaryIO:
    path = folder / name
    # A link may lead out of the folder; opening a pipe would block.
    no_link = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise refused(folder, f"a link in the place of {name}")
        file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | no_link), "rb")
    except OSError as error:
        raise refused(folder, f"no readable {name} ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise refused(folder, f"no regular file {name}")
    return file


def _parse(text: str) -> object:
    """Parse YAML in linear time: refuse aliases, deep nesting and endless numbers."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has an alias")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        # PyYAML does not annotate the attributes of its events.
        scalar: Any = event if isinstance(event, yaml.ScalarEvent) else None
        if depth > DEEPEST or (scalar and scalar.implicit[0] and len(scalar.value) > LONGEST_PLAIN):
            raise ValueError("it is nested too deep, or one value is too long")
    return yaml.load(text, Loader=LOADER)


def _mapping(content: object) -> dict[str, Any]:
    return content if isinstance(content, dict) else {}


def _strangers(file: BinaryIO, folder: Path, trusted: Collection[str]) -> list[str]:
    """Name the types in a skops file that are neither basic nor trusted."""
    try:
        with ZipFile(file) as content:
            size = sum(entry.file_size for entry in content.infolist())
            # skops does not compress, so a larger content is a zip bomb.
            if size > os.fstat(file.fileno()).st_size:
                raise refused(folder, "a compressed model file")
            schema = json.loads(content.read("schema.json"))
    except (BadZipFile, KeyError, ValueError, EOFError, OSError, RecursionError) as error:
        raise _damaged(folder, error) from error
    named, left = set(), [schema]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left.extend(node)
        elif isinstance(node, dict):
            left.extend(node.values())
            if node.get("__loader__") in CALLABLES:
                named.add(f"functions.{node['__loader__']}")
            if "__class__" in node:
                named.add(f"{node.get('__module__')}.{node['__class__']}")
    unknown = {name for name in named if not name.startswith(BASIC) and name not in trusted}
    return sorted(re.sub(r"[^\w.]", "?", name)[:80] for name in unknown)


def _damaged(folder: Path, error: Exception) -> StepError:
    return refused(folder, f"a damaged {MODEL_FILE} ({type(error).__name__}: {first_line(error)})")
