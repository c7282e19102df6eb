"""The command line of a step: `--name=value` for each of its parameters."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from steps.base.errors import BAD_INPUT
from steps.base.mask import masked
from steps.base.parameters import PREFIX, Dataclass, declared, defaults, variable

EPILOG = (
    "Names may be typed with - in place of _, as in --max-depth. Exit codes: 0 done, 1 something "
    "unexpected failed, 2 bad input, 3 drift, 4 gate missed, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP, "
    "141 output closed."
)


@dataclass(frozen=True)
class CommandLine:
    """What was typed: the text of each parameter, and whether tracebacks were asked for."""

    texts: dict[str, str]
    debug: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"error: {masked(message)} (see python -m {self.prog} --help)\n")


def read_command_line(
    entry_point: str, kind: type[Dataclass], description: str, argv: Sequence[str] | None
) -> CommandLine:
    """Read the arguments, and fill in the defaults of the others.

    Exits with code 2 and one line if an argument is unknown, and with 0 after `--help`.
    """
    parser = _parser(entry_point, kind, description)
    words = sys.argv[1:] if argv is None else argv
    given = vars(parser.parse_args([_with_underscores(word) for word in words]))
    debug, from_environment = given.pop("debug"), given.pop("from_environment")
    texts = defaults(kind)
    if from_environment:
        texts |= _from_environment(texts, os.environ, parser)
    return CommandLine(texts=texts | given, debug=debug)


def _parser(entry_point: str, kind: type[Dataclass], description: str) -> _Parser:
    parser = _Parser(
        prog=f"steps.{entry_point}", description=description, epilog=EPILOG, allow_abbrev=False
    )
    for item in declared(kind):
        plain = item.meaning.replace("`", "").replace("%", "%%")
        shown = item.default.replace("%", "%%")
        parser.add_argument(
            f"--{item.name}",
            default=argparse.SUPPRESS,
            metavar="…",
            help=f"{plain} (default: {shown})",
        )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument(
        "--from_environment",
        action="store_true",
        help=f"take what is not given here from variables such as {variable('seed')}",
    )
    return parser


def _with_underscores(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if name.startswith("--") else word


def _from_environment(
    known: Mapping[str, str], environment: Mapping[str, str], parser: _Parser
) -> dict[str, str]:
    by_variable = {variable(name): name for name in known}
    found = [name for name in environment if name.startswith(PREFIX)]
    for name in found:
        # A misspelt name would silently leave its parameter at the default.
        if name not in by_variable:
            parser.error(f"the environment variable {name} names no parameter of this step")
    return {by_variable[name]: environment[name] for name in found}
