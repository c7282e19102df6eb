"""Parameters of the steps: named and checked here, with their defaults in `MLproject`.

A step declares a frozen dataclass whose fields are made by `parameter`. The command line, its
`--help`, the checks and what a run records all follow from it, and the default values are read
from the one place that `mlflow run` reads them from.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar

import yaml

from steps.base.errors import BAD_INPUT, StepError

PROJECT = Path(__file__).resolve().parents[2]
NONE = "none"


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


P = TypeVar("P", bound=Dataclass)


def parameter(parse: Callable[[str], Any], help: str, *, in_key: bool = True) -> Any:
    """Declare a field of a step's parameters.

    `parse` turns the text into a checked value or raises ValueError saying what it expected.
    `in_key=False` marks what changes how a step is executed but not its result.
    """
    return field(metadata={"parse": parse, "help": help, "in_key": in_key})


@cache
def project_file() -> dict[str, Any]:
    """Read `MLproject`.

    An installed copy of `steps` has no MLproject beside it; the steps then run from a project
    folder (an Azure ML job's, say), so the current folder is the second place to look.
    """
    for folder in (PROJECT, Path.cwd()):
        path = folder / "MLproject"
        if path.is_file():
            content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
            return content
    raise StepError(f"expected the file MLproject in {PROJECT} or {Path.cwd()}, found none")


def defaults(entry_point: str) -> dict[str, str]:
    """Name and default text of each parameter of an entry point, as `MLproject` has them."""
    declared = project_file()["entry_points"][entry_point]["parameters"]
    return {name: str(spec["default"]) for name, spec in declared.items()}


def parse(kind: type[P], texts: Mapping[str, str]) -> P:
    """Check the text of each parameter and build the step's parameters from them."""
    values = {}
    for item in fields(kind):
        text = texts[item.name]
        _check_recordable(item.name, text)
        try:
            values[item.name] = item.metadata["parse"](text)
        except ValueError as error:
            raise StepError(f"parameter {item.name}: expected {error}, found '{text}'") from None
    return kind(**values)


def _check_recordable(name: str, text: str) -> None:
    # An argument of other bytes than UTF-8 (a path, say) reaches Python, but no tracking server.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StepError(f"parameter {name}: expected UTF-8 text, found {text!a}") from None


def names(kind: type[Dataclass], *, in_key: bool = False) -> list[str]:
    """Names of a step's parameters; with `in_key` only those that decide its result."""
    return [item.name for item in fields(kind) if item.metadata["in_key"] or not in_key]


@dataclass(frozen=True)
class CommandLine:
    """What was typed: the text of each parameter, and whether tracebacks were asked for."""

    texts: dict[str, str]
    debug: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"error: {message} (see python -m {self.prog} --help)\n")


def read_command_line(
    entry_point: str, kind: type[Dataclass], description: str, argv: Sequence[str] | None
) -> CommandLine:
    """Read `--name=value` arguments; what is not given has its default from `MLproject`."""
    parser = _Parser(prog=f"steps.{entry_point}", description=description, allow_abbrev=False)
    default = defaults(entry_point)
    for item in fields(kind):
        parser.add_argument(
            f"--{item.name}",
            default=default[item.name],
            metavar="…",
            help=f"{item.metadata['help']} (default: {default[item.name]})".replace("%", "%%"),
        )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    arguments = vars(parser.parse_args(sys.argv[1:] if argv is None else argv))
    debug = bool(arguments.pop("debug"))
    return CommandLine(texts=arguments, debug=debug)


def as_recorded(text: str) -> str:
    """Give a parameter the form in which `mlflow run` records it: quoted as for a shell."""
    return shlex.quote(text)


def from_recorded(text: str) -> str:
    """Undo `as_recorded`."""
    return "".join(shlex.split(text))


# --- what a parameter may be: each parser's ValueError ends "expected ..." -------------------


def text(value: str) -> str:
    """Accept any text but an empty one."""
    if not value.strip():
        raise ValueError("a value")
    return value


def optional(value: str) -> str | None:
    """Accept any text; `none` is None."""
    return None if value.strip().lower() == NONE else text(value)


def boolean(value: str) -> bool:
    """Read `true` or `false`."""
    return one_of("true", "false")(value.lower()) == "true"


def one_of(*allowed: str) -> Callable[[str], str]:
    """Make a parser of one of the given words."""

    def parse_word(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return value

    return parse_word


def integer(low: int | None = None, high: int | None = None) -> Callable[[str], int]:
    """Make a parser of a whole number from `low` to `high`, both included."""

    def parse_integer(value: str) -> int:
        expected = ValueError(f"a whole number{_range(low, high)}")
        try:
            number = int(value)
        except ValueError:
            raise expected from None
        if (low is not None and number < low) or (high is not None and number > high):
            raise expected
        return number

    return parse_integer


def number(low: float, high: float, *, open_ends: bool = False) -> Callable[[str], float]:
    """Make a parser of a number from `low` to `high`, without the ends if `open_ends`."""

    def parse_number(value: str) -> float:
        words = f"between {low:g} and {high:g}" if open_ends else f"from {low:g} to {high:g}"
        expected = ValueError(f"a number {words}")
        try:
            found = float(value)
        except ValueError:
            raise expected from None
        inside = low < found < high if open_ends else low <= found <= high
        if not inside:
            raise expected
        return found

    return parse_number


def words(value: str) -> tuple[str, ...]:
    """Read different names separated by commas; `none` is no name at all."""
    if value.strip().lower() == NONE:
        return ()
    found = tuple(word.strip() for word in value.split(","))
    if not all(found) or len(set(found)) != len(found):
        raise ValueError("different names separated by commas, or none")
    return found


def integers(low: int, *, none_allowed: bool = False) -> Callable[[str], tuple[int | None, ...]]:
    """Make a parser of whole numbers from `low` up, separated by commas, or `none` among them."""

    def parse_integers(value: str) -> tuple[int | None, ...]:
        also = ", or none," if none_allowed else ""
        expected = ValueError(
            f"different whole numbers{_range(low, None)}{also} separated by commas"
        )
        found: list[int | None] = []
        for word in value.split(","):
            if none_allowed and word.strip().lower() == NONE:
                found.append(None)
                continue
            try:
                found.append(integer(low)(word))
            except ValueError:
                raise expected from None
        if len(set(found)) != len(found):
            raise expected
        return tuple(found)

    return parse_integers


def _range(low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"
