"""Checks that content read from a file has the shape of a dataclass."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from steps.base.errors import StepError


def check(kind: Any, content: object, name: str) -> None:
    """Check content of JSON or YAML against the annotations of a dataclass.

    Supports plain types, unions, `tuple[T, ...]` (a list will do) and nested dataclasses
    (mappings). Ignores fields that a newer version added. Raises StepError at the first
    difference; `name` is what the message calls the content.
    """
    if is_dataclass(kind):
        if not isinstance(content, Mapping):
            raise _unlike(name, "a mapping", content)
        hints = get_type_hints(kind)
        for item in fields(kind):
            if item.name in content:
                check(hints[item.name], content[item.name], f"{name}.{item.name}")
            elif item.default is MISSING and item.default_factory is MISSING:
                raise StepError(f"expected {name}.{item.name}, found none")
    elif get_origin(kind) is tuple:
        if not isinstance(content, list | tuple):
            raise _unlike(name, "a list", content)
        for value in content:
            check(get_args(kind)[0], value, f"an item of {name}")
    else:
        plain = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        # isinstance would not do: to Python a bool is an int, and an int is no float.
        if type(content) not in (*plain, *((int,) if float in plain else ())):
            raise _unlike(name, " or ".join(each.__name__ for each in plain), content)


def _unlike(name: str, expected: str, content: object) -> StepError:
    return StepError(f"expected {expected} as {name}, found {type(content).__name__}")
