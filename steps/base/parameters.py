"""Parameters of the steps: each is declared once, as a field of its step's dataclass.

Checks, the command line and what a run records follow from the declaration; `MLproject`,
`job.yml` and the README's tables are written from it (docs/reference.py).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol, TypeVar

from steps.base.errors import StepError, Unreadable
from steps.base.secrets import is_masked, masked

# The variable PARAMETER_MAX_DEPTH holds the text of the parameter `max_depth`, if asked for: all
# of them by `--from_environment`, one by this text in its place.
PREFIX = "PARAMETER_"
FROM_ENVIRONMENT = "from_environment"


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


P = TypeVar("P", bound=Dataclass)
T = TypeVar("T")


@dataclass(frozen=True)
class Parameter:
    """What is declared of one parameter; `help` is Markdown, `type` a type of MLproject."""

    name: str
    type: str
    parse: Callable[[str], Any]
    default: str
    help: str
    in_key: bool

    @property
    def meaning(self) -> str:
        """The help, with the words to choose from unless it names each of them."""
        choices = [f"`{word}`" for word in getattr(self.parse, "choices", ())]
        if all(word in self.help for word in choices):
            return self.help
        return f"{self.help}: {', '.join(choices)}"


def parameter(parse: Callable[[str], T], default: str, help: str, *, in_key: bool = True) -> T:
    """Declare a field of a step's parameters.

    `parse` turns the text into a checked value or raises ValueError saying what it expected.
    `default` is the text as it would be typed. `in_key=False` marks what changes how a step is
    executed but not its result.
    """
    declaration: Any = field(
        metadata={"parse": parse, "default": default, "help": help, "in_key": in_key}
    )
    # To a type checker it is the value that the field will have.
    value: T = declaration
    return value


def declared(kind: type[Dataclass]) -> list[Parameter]:
    """List the parameters of a step."""
    # Annotations are texts in the modules of the steps.
    types = {"int": "int", "float": "float"}
    return [
        Parameter(name=item.name, type=types.get(str(item.type), "string"), **item.metadata)
        for item in fields(kind)
    ]


def defaults(kind: type[Dataclass]) -> dict[str, str]:
    """Name and default text of each parameter of a step."""
    return {item.name: item.default for item in declared(kind)}


def names(kind: type[Dataclass], *, in_key: bool = False) -> list[str]:
    """Names of a step's parameters; with `in_key` only those that decide its result."""
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
    """Take a text with a secret from the environment, where no run records it."""
    if is_masked(text):
        raise Unreadable(
            f"parameter {name}: expected its whole text, found {text} of an earlier run, which "
            f"keeps no secret; give it again, or give it in {variable(name)} and "
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
    # An argument of other bytes than UTF-8 (a path, say) reaches Python, but no tracking server.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StepError(f"parameter {name}: expected UTF-8 text, found {text!a}") from None


def as_recorded(text: str) -> str:
    """Give a parameter the form in which `mlflow run` records it: quoted as for a shell."""
    return shlex.quote(text)


def from_recorded(text: str) -> str:
    """Undo `as_recorded`."""
    return "".join(shlex.split(text))
