"""CSV text: split into chunks of whole rows without parsing it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLOCK = 2 << 20
# A quote that is not closed within this many bytes is taken for an ordinary character.
LONGEST_ROW = 8 << 20


def whole_rows(read: Callable[[int], bytes], start: bytes = b"") -> Iterator[bytes]:
    r"""Yield text of whole rows, in order, about `BLOCK` bytes at a time.

    `read(size)` gives the next bytes. Each piece but the last ends with a line end; a line end
    within quotes does not end a row.
    """
    rest = start
    while block := read(BLOCK):
        text = rest + block if rest else block
        end = row_end(text)
        if end:
            yield text[:end]
        rest = text[end:]
    if rest.strip(b"\r\n"):
        yield rest


def row_end(text: bytes, *, first: bool = False) -> int:
    """Find where the last (or the first) whole row of a text ends; 0 if no row does."""
    if first:
        return _first_row_end(text)
    if b'"' not in text:
        return text.rfind(b"\n") + 1
    # A row ends at a line end with an even number of quotes before it. Seen from the last quote
    # backwards, that number is the same for all line ends between two quotes.
    quotes, end = text.count(b'"'), len(text)
    while True:
        quote = text.rfind(b'"', 0, end)
        line_end = text.rfind(b"\n", quote + 1, end) if quotes % 2 == 0 else -1
        if line_end >= 0:
            return line_end + 1
        if quote < 0:
            return text.rfind(b"\n") + 1 if len(text) >= LONGEST_ROW else 0
        quotes, end = quotes - 1, quote


def _first_row_end(text: bytes) -> int:
    quotes, start = 0, 0
    while (line_end := text.find(b"\n", start)) >= 0:
        quotes += text.count(b'"', start, line_end)
        if quotes % 2 == 0:
            return line_end + 1
        start = line_end + 1
    return 0


def numbered_rows(text: bytes, delimiter: str) -> Iterator[tuple[int, bytes]]:
    """Yield each row that is not blank with its line number within the text, from 0.

    A row goes on after a line end that is within quotes. Where quotes are never closed, they
    take no other line along.
    """
    lines = text.split(b"\n")
    number = 0
    while number < len(lines):
        end = _last_line(lines, number, delimiter)
        row = b"\n".join(lines[number : end + 1]).removesuffix(b"\r")
        if row:
            yield number, row
        number = end + 1


def _last_line(lines: list[bytes], first: int, delimiter: str) -> int:
    if not _is_open(lines[first], delimiter):
        return first
    for last in range(first + 1, len(lines)):
        # Only a line with an odd number of quotes can close the one that is open.
        if lines[last].count(b'"') % 2:
            row = b"\n".join(lines[first : last + 1])
            return first if _is_open(row, delimiter) else last
    return first


def _is_open(text: bytes, delimiter: str) -> bool:
    if text.count(b'"') % 2 == 0 and b"\n" not in text:
        return False
    try:
        split_fields(text, delimiter)
    except csv.Error:
        return True
    return False


def split_fields(row: bytes, delimiter: str) -> list[str]:
    """Split one row into its fields; raises csv.Error if a quote is not closed."""
    text = row.decode("utf-8", errors="replace")
    if '"' not in text:
        return text.split(delimiter)
    # The module's own limit is 128 KB.
    csv.field_size_limit(LONGEST_ROW)
    return next(csv.reader([text], delimiter=delimiter, strict=True))
