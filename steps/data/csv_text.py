r"""Where rows of CSV text end.

A row is the shortest run of lines, from the line at which it begins, that a strict CSV reader
(Python's `csv` with `strict=True`) reads as one row: a line end within quotes does not end it. If
there is no such run up to the end of the file, or within `LONGEST_ROW` bytes, then a quote is
broken: never closed, or followed by text where it is. Such a row is its first line alone, and is
bad; the lines after it are not affected.

A quote is broken only where it opens a field; elsewhere (`5" pipe`) it is text. A line ends with
`\n` or `\r\n`. A blank line is no row.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from steps.base.errors import StepError, first_line

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLOCK = 2 << 20
LONGEST_ROW = 8 << 20
QUOTE = ord('"')


class LongLineError(Exception):
    """A line of more than `LONGEST_ROW` bytes."""


@dataclass(frozen=True)
class Header:
    """Column names of a CSV file, and how many bytes and lines they take."""

    columns: tuple[str, ...]
    size: int
    lines: int


def read_header(read: Callable[[int], bytes], delimiter: str, shown: str) -> Header:
    """Read the column names from the start of a file; `read(size)` returns its next bytes.

    Raises a StepError if they are not CSV text in UTF-8, or are too long.
    """
    start, end = b"", 0
    try:
        while not end and len(start) <= LONGEST_ROW and (block := read(len(start) or 1 << 16)):
            start += block
            row = _next_row(start, 0, delimiter, is_end=False)
            end = row[0] if row else 0
        if not end and len(start) > LONGEST_ROW:
            raise StepError(_too_long(shown, 1))
        record = (start[:end] if end else start).removeprefix(BYTE_ORDER_MARK)
        text = record.decode("utf-8").rstrip("\r\n")
        columns = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise StepError(
            f"expected CSV text in UTF-8 in {shown}, found: {first_line(error)}"
        ) from error
    size = end or len(start)
    return Header(tuple(columns), size, start[:size].count(b"\n"))


def _too_long(shown: str, line: int) -> str:
    return (
        f"expected lines of at most {LONGEST_ROW >> 20} MiB in {shown}, found a longer one at line "
        f"{line}; is it a CSV file?"
    )


def too_long(shown: str, line: int) -> StepError:
    """Make the error for a line that is too long to hold in memory."""
    return StepError(_too_long(shown, line))


def whole_rows(read: Callable[[int], bytes], delimiter: str) -> Iterator[bytes]:
    """Yield the text of whole rows, in order, about `BLOCK` bytes at a time.

    `read(size)` gives the next bytes, from the start of a row. Each piece but the last ends with
    a line end. Raises LongLineError.
    """
    return (text for text, _ in checked_rows(read, delimiter))


def checked_rows(read: Callable[[int], bytes], delimiter: str) -> Iterator[tuple[bytes, bool]]:
    """Yield what `whole_rows` does, and whether it is known to be regular (see `is_regular`)."""
    rest = b""
    while block := read(BLOCK):
        text = rest + block if rest else block
        end, regular = _last_row_end(text, delimiter)
        if end:
            yield text[:end], regular
        rest = text[end:]
        if len(rest) > LONGEST_ROW and b"\n" not in rest:
            raise LongLineError
    if rest.strip(b"\r\n"):
        yield rest, False


def numbered_rows(text: bytes, delimiter: str) -> Iterator[tuple[int, bytes, bool]]:
    """Yield each row of a text of whole rows: line number from 0, text, whether it is unbroken."""
    line = start = 0
    while start < len(text):
        end, is_whole = _next_row(text, start, delimiter, is_end=True) or (len(text), False)
        row = text[start:end].removesuffix(b"\n")
        content = row.removesuffix(b"\r")
        if content:
            yield line, content, is_whole
        line += row.count(b"\n") + 1
        start = end


def is_regular(text: bytes, delimiter: str) -> bool:
    """Tell whether every quote opens a field, closes one or is doubled.

    Then a line end is within quotes if the number of quotes before it is odd.
    """
    content = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(content == QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    before = _is_one_of(f"{delimiter}\n")[content[opening - 1]]
    before[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    before[:1] |= opening[:1] == 0
    after = _is_one_of(f"{delimiter}\r\n")[content[(closing + 1) % len(content)]]
    after[: len(opening) - 1] |= opening[1:] == closing[: len(opening) - 1] + 1
    after[-1:] |= closing[-1:] == len(content) - 1
    return bool(before.all() and after.all())


def _is_one_of(characters: str) -> np.ndarray:
    table = np.zeros(256, dtype=bool)
    table[list(characters.encode())] = True
    return table


def outside_quotes(row: bytes, delimiter: str) -> bytes:
    """Remove the quoted fields from an unbroken row."""
    return _patterns(delimiter)[2].sub(b"", row)


def _last_row_end(text: bytes, delimiter: str) -> tuple[int, bool]:
    """Find the end of the last row that is certainly whole, 0 if there is none.

    Tells too whether the text is known to be regular; then the rows up to there are.
    """
    if b'"' not in text:
        return text.rfind(b"\n") + 1, True
    if len(text) <= LONGEST_ROW and is_regular(text, delimiter):
        return _last_end_outside_quotes(text), True
    end = 0
    while end < len(text) and (row := _next_row(text, end, delimiter, is_end=False)):
        end = row[0]
    return end, False


def _last_end_outside_quotes(text: bytes) -> int:
    # Seen from the last quote backwards, the number of quotes before a line end is the same for
    # all line ends between two quotes.
    quotes, end = text.count(b'"'), len(text)
    while end >= 0:
        quote = text.rfind(b'"', 0, end)
        line_end = text.rfind(b"\n", quote + 1, end) if quotes % 2 == 0 else -1
        if line_end >= 0:
            return line_end + 1
        quotes, end = quotes - 1, quote
    return 0


def _next_row(text: bytes, start: int, delimiter: str, *, is_end: bool) -> tuple[int, bool] | None:
    """Find where the row at `start` ends, and whether its quotes are in order.

    Returns None if more text is needed to tell; `is_end` says that there is no more.
    """
    whole_row, open_quote, _ = _patterns(delimiter)
    if row := whole_row.match(text, start):
        end = row.end()
        is_complete = is_end or text.endswith(b"\n", start, end)
        if end - start <= LONGEST_ROW:
            return (end, True) if is_complete else None
    elif not is_end and len(text) - start <= LONGEST_ROW and open_quote.match(text, start):
        return None
    line_end = text.find(b"\n", start) + 1
    if line_end:
        return line_end, False
    return (len(text), False) if is_end else None


@lru_cache(maxsize=8)
def _patterns(delimiter: str) -> tuple[re.Pattern[bytes], ...]:
    between = re.escape(delimiter.encode())
    inside = rb'"(?:[^"]++|"")*+'
    field = rb'(?:%b"(?=%b|\r?\n|\r?\Z)|(?!")[^%b\n]*+)' % (inside, between, between)
    row = rb"%b(?:%b%b)*+\r?(?:\n|\Z)" % (field, between, field)
    open_row = rb"(?:%b%b)*+%b\Z" % (field, between, inside)
    quoted = rb'(?:^|%b)%b"' % (between, inside)
    return re.compile(row), re.compile(open_row), re.compile(quoted)
