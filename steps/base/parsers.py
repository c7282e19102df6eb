"""Parsers of parameter texts.

Each returns the checked value, or raises a ValueError that says what it expected.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Special words: no value, a fitting value, the newest run.
NONE, AUTO, LATEST = "none", "auto", "latest"


def text(value: str) -> str:
    """Accept any text that is not blank."""
    if not value.strip():
        raise ValueError("a value")
    return value


def optional(value: str) -> str | None:
    """Accept any text; `none` is None."""
    return None if value.strip().lower() == NONE else text(value)


def boolean(value: str) -> bool:
    """Read `true` or `false`."""
    return one_of("true", "false")(value.lower()) == "true"


@dataclass(frozen=True)
class OneOf:
    """A parser that accepts a fixed set of words."""

    choices: tuple[str, ...]

    def __call__(self, value: str) -> str:
        """Return the text if it is one of the words."""
        if value not in self.choices:
            raise ValueError(f"one of {', '.join(self.choices)}")
        return value


def one_of(*choices: str) -> OneOf:
    """Make a parser that accepts only the given words."""
    return OneOf(choices)


def integer(low: int | None = None, high: int | None = None) -> Callable[[str], int]:
    """Make a parser of a whole number from `low` to `high`, both inclusive."""

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
    """Make a parser of a number from `low` to `high`, which `open_ends` excludes."""

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
    """Read distinct names separated by commas; `none` gives none.

    A name that holds a comma or begins with a quote is quoted as in CSV.
    """
    if value.strip().lower() == NONE:
        return ()
    try:
        cells = [cell for line in csv.reader([value], skipinitialspace=True) for cell in line]
    except csv.Error:
        cells = []
    found = tuple(word.strip() for word in cells)
    if not found or not all(found) or len(set(found)) != len(found):
        raise ValueError("different names separated by commas, or none")
    return found


def asking(name: str, words: Sequence[str]) -> str:
    """Write the option of a shell that sets a parameter to words: `-P 'drop=a,b'`."""
    listed = io.StringIO()
    csv.writer(listed, lineterminator="").writerow(words)
    quoted = listed.getvalue().replace("'", r"'\''")
    return f"-P '{name}={quoted}'"


def integers(low: int, *, none_allowed: bool = False) -> Callable[[str], tuple[int | None, ...]]:
    """Make a parser of comma-separated whole numbers of at least `low`, or `none` if allowed."""

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
