"""Text is split where rows end, wherever blocks end."""

from __future__ import annotations

import csv
import io
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.base.errors import StepError
from steps.data import csv_text

FIELDS = st.text(st.sampled_from('ab,"\n é'), max_size=6)
TABLES = st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=12)


def as_csv(table: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue().encode()


def strictly(text: str, delimiter: str) -> list[str] | None:
    """Read one row with Python's csv; None if it is none, or more than one."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def by_the_rule(text: str, delimiter: str) -> list[tuple[int, bytes, bool]]:
    """Give numbered rows by the rule of `csv_text`, with Python's csv as the reader of a row."""
    lines, rows, first = text.split("\n"), [], 0
    while first < len(lines):
        runs = range(first + 1, len(lines) + 1)
        ends = (end for end in runs if strictly("\n".join(lines[first:end]), delimiter))
        end = next(ends, None) if lines[first].strip("\r") else first + 1
        row = "\n".join(lines[first : end or first + 1]).removesuffix("\r")
        if row:
            rows.append((first, row.encode(), end is not None))
        first = end or first + 1
    return rows


# Lines of which quotes are open, stray, doubled, or around line ends.
CELLS = st.sampled_from(
    ["1", "a", "", '"', '""', '"a', 'a"', '"a"', '"a"b', '5" x', '"two\nlines"', '"\n"', '"a""']
)
BROKEN = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=10)


@settings(max_examples=500, deadline=None)
@given(BROKEN, st.sampled_from(",;| "), st.sampled_from(["\n", "\r\n"]), st.integers(1, 30))
def test_rows_end_where_a_second_reader_says(
    table: list[list[str]], delimiter: str, line_end: str, size: int
) -> None:
    text = "".join(delimiter.join(row) + line_end for row in table)
    wanted = by_the_rule(text, delimiter)
    assert list(csv_text.numbered_rows(text.encode(), delimiter)) == wanted
    # However the text is cut into blocks, no row is cut.
    stream, line, pieced = io.BytesIO(text.encode()), 0, []
    for piece in csv_text.whole_rows(lambda _: stream.read(size), delimiter):
        pieced += [
            (line + number, row, is_whole)
            for number, row, is_whole in csv_text.numbered_rows(piece, delimiter)
        ]
        line += piece.count(b"\n")
    assert pieced == wanted


@given(TABLES)
def test_what_is_well_written_is_regular(table: list[list[str]]) -> None:
    assert csv_text.is_regular(as_csv(table), ",")
    assert not csv_text.is_regular(as_csv(table) + b'a,5" pipe\n', ",")


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(csv_text.LongLineError):
        list(csv_text.whole_rows(lambda size: b"1" * size, ","))
    with pytest.raises(StepError, match=r"lines of at most 8 MiB in t\.csv, found a longer one"):
        csv_text.read_header(lambda size: b"1" * size, ",", "t.csv")


@given(TABLES, st.integers(1, 40), st.booleans())
def test_whole_rows(table: list[list[str]], size: int, last_line_ends: bool) -> None:
    text = as_csv(table)
    stream = io.BytesIO(text if last_line_ends else text.removesuffix(b"\n"))
    pieces = list(csv_text.whole_rows(lambda _: stream.read(size), ","))
    assert b"".join(pieces).removesuffix(b"\n") == text.removesuffix(b"\n")
    read = [
        row
        for piece in pieces
        for row in csv.reader(io.StringIO(piece.decode(), newline=""), strict=True)
    ]
    assert read == table


@given(TABLES)
def test_numbered_rows(table: list[list[str]]) -> None:
    text = as_csv(table)
    numbered = list(csv_text.numbered_rows(text, ","))
    assert [strictly(row.decode(), ",") for _, row, _ in numbered] == table
    assert all(is_whole for _, _, is_whole in numbered)
    lines = text.split(b"\n")
    assert all(row.startswith(lines[number]) for number, row, _ in numbered)


def test_a_quote_that_is_never_closed_ends_with_its_line() -> None:
    text = b'1,2\n"3,4\n5,6\n'
    rows = [(0, b"1,2", True), (1, b'"3,4', False), (2, b"5,6", True)]
    assert list(csv_text.numbered_rows(text, ",")) == rows


def test_a_quote_that_is_never_closed_does_not_fill_the_memory() -> None:
    line = b"1,2\n" * 100_000
    blocks = chain([b'"open\n'], repeat(line, 3 * csv_text.LONGEST_ROW // len(line)))
    pieces = csv_text.whole_rows(lambda size: next(blocks, b""), ",")
    assert max(map(len, pieces)) <= csv_text.LONGEST_ROW + len(line)
