"""Text is split where rows end, wherever blocks end."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from steps.scoring import csv_text

FIELDS = st.text(st.sampled_from('ab,"\n é'), max_size=6)
TABLES = st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=12)


def as_csv(table: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue().encode()


@given(TABLES, st.integers(1, 40), st.booleans())
def test_whole_rows(table: list[list[str]], size: int, last_line_ends: bool) -> None:
    text = as_csv(table)
    stream = io.BytesIO(text if last_line_ends else text.removesuffix(b"\n"))
    pieces = list(csv_text.whole_rows(lambda _: stream.read(size)))
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
    assert [csv_text.split_fields(row, ",") for _, row in numbered] == table
    lines = text.split(b"\n")
    assert all(row.startswith(lines[number]) for number, row in numbered)


def test_a_quote_that_is_never_closed_ends_with_its_line() -> None:
    text = b'1,2\n"3,4\n5,6\n'
    assert list(csv_text.numbered_rows(text, ",")) == [(0, b"1,2"), (1, b'"3,4'), (2, b"5,6")]


def test_a_quote_that_is_never_closed_does_not_fill_the_memory() -> None:
    line = b"1,2\n" * 100_000
    left = 3 * csv_text.LONGEST_ROW

    def read(size: int) -> bytes:
        nonlocal left
        left -= len(line)
        return line if left > 0 else b""

    pieces = csv_text.whole_rows(read, b'"open\n')
    assert max(map(len, pieces)) <= csv_text.LONGEST_ROW + len(line)
