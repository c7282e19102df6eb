"""Parameters of the steps: each is declared once, as a field of its step's dataclass.

The declaration drives the checks, the command line and what a run records; generate/reference.py
writes `MLproject`, `job.yml` and the documentation's tables from it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol, TypeVar

from steps.base.errors import StepError, Unreadable
from steps.base.secrets import is_masked, masked

# On request, the variable PARAMETER_MAX_DEPTH gives the text of the parameter `max_depth`:
# `--from_environment` asks for all variables, `max_depth=from_environment` for this one.
PREFIX = "PARAMETER_"
FROM_ENVIRONMENT = "from_environment"


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


P = TypeVar("P", bound=Dataclass)
T = TypeVar("T")


@dataclass(frozen=True)
class Parameter:
    """The declaration of one parameter; `help` is Markdown, `type` a type of MLproject."""

    name: str
    type: str
    parse: Callable[[str], Any]
    default: str
    help: str
    in_key: bool

    @property
    def meaning(self) -> str:
        """The help, followed by the allowed words unless it already names them all."""
        choices = [f"`{word}`" for word in getattr(self.parse, "choices", ())]
        if all(word in self.help for word in choices):
            return self.help
        return f"{self.help}: {', '.join(choices)}"


def parameter(parse: Callable[[str], T], default: str, help: str, *, in_key: bool = True) -> T:
    """Declare a field of a step's parameters.

    `parse` turns the text into a checked value or raises ValueError saying what it expected.
    `default` is the text as a user would type it. `in_key=False` marks a parameter that changes
    how a step runs, but not its result.
    """
    declaration: Any = field(
        metadata={"parse": parse, "default": default, "help": help, "in_key": in_key}
    )
    # A type checker sees the value that the field will have.
    value: T = declaration
    return value


def declared(kind: type[Dataclass]) -> list[Parameter]:
    """List the parameters of a step."""
    # The steps' modules postpone annotations, so they are strings here.
    types = {"int": "int", "float": "float"}
    return [
        Parameter(name=item.name, type=types.get(str(item.type), "string"), **item.metadata)
        for item in fields(kind)
    ]


def defaults(kind: type[Dataclass]) -> dict[str, str]:
    """Map the name of each parameter of a step to its default text."""
    return {item.name: item.default for item in declared(kind)}


def names(kind: type[Dataclass], *, in_key: bool = False) -> list[str]:
    """List the names of a step's parameters; with `in_key`, only those that affect its result."""
    return [item.name for item in declared(kind) if item.in_key or not in_key]


def parse(kind: type[P], texts: Mapping[str, str]) -> P:
    """Check the text of each parameter and build the step's parameters from them."""
    values = {}
    for item in declared(kind):
        text = _whole(item.name, texts[item.name])
        _check_recordable(item.name, text)
        try:
            values[item.name] = item.parse(text)
        except ValueError as error:
            found = masked(text)
            raise StepError(f"parameter {item.name}: expected {error}, found '{found}'") from None
    return kind(**values)


def variable(name: str) -> str:
    """Name the environment variable of a parameter."""
    return f"{PREFIX}{name.upper()}"


def _whole(name: str, text: str) -> str:
    """Read the text from the environment if asked to: there a secret stays out of the run."""
    if is_masked(text):
        raise Unreadable(
            f"parameter {name}: expected its full text, found {text}, from which an earlier run "
            f"left out a secret; give it again, or set {variable(name)} and give "
            f"{name}={FROM_ENVIRONMENT}"
        )
    if text != FROM_ENVIRONMENT:
        return text
    if variable(name) not in os.environ:
        raise Unreadable(
            f"parameter {name}: expected its text in the environment variable {variable(name)}, "
            "found none"
        )
    return os.environ[variable(name)]


def _check_recordable(name: str, text: str) -> None:
    # Python accepts an argument that is not UTF-8 (a path, say); a tracking server does not.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StepError(f"parameter {name}: expected UTF-8 text, found {text!a}") from None


def as_recorded(text: str) -> str:
    """Quote a parameter as for a shell, the form in which `mlflow run` records it."""
    return shlex.quote(text)


def from_recorded(text: str) -> str:
    """Undo `as_recorded`."""
    return "".join(shlex.split(text))
