"""Reading a whole CSV file to train on: its format and its columns.

A column is read as numbers if its first rows hold nothing else, and as text otherwise. What the
text means is decided later, from all rows.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from steps.base.errors import StepError, first_line
from steps.base.parsers import AUTO
from steps.data import values
from steps.data.csv_text import LONGEST_ROW, LongLineError, read_header, whole_rows
from steps.data.text_files import BROKEN, is_utf8, open_text
from steps.data.texts import AFTER, BEFORE
from steps.data.values import TextRules

CSV_DELIMITERS = ",;\t|"
_AROUND_NUMBERS = rf"^([+-]?){BEFORE}|{AFTER}$"
_QUOTED = re.compile(rb'"[^"]*"')
# Arrow decompresses these itself, in its own thread.
_ARROW_READS = (".gz", ".bz2")
_FAILURES = (*BROKEN, pa.ArrowException, UnicodeError, zlib.error)


@dataclass(frozen=True)
class Asked:
    """How to read text; a `delimiter` or `decimal` of None is inferred from it."""

    delimiter: str | None = None
    encoding: str = AUTO
    missing: tuple[str, ...] = values.MISSING
    decimal: str | None = None


@dataclass(frozen=True)
class Text:
    """How the text of a table was read, so that new data is read the same way."""

    rules: TextRules = values.DEFAULT
    delimiter: str = ","
    encoding: str = AUTO


DEFAULT = Text()


@dataclass(frozen=True)
class _Start:
    """The column names of a file and its first rows, all as text; None if they do not parse."""

    columns: tuple[str, ...]
    delimiter: str
    sample: pa.Table | None
    is_whole: bool


def read_start(path: Path, asked: Asked, shown: str) -> _Start:
    """Read the column names and the first rows."""
    try:
        with open_text(path, asked.encoding) as file:
            start = file.read(1 << 20)
            delimiter = asked.delimiter or sniff_delimiter(start)
            rest = _Chained(start, file)
            header = read_header(rest.read, delimiter, shown)
            unread = _Chained(rest.seen[header.size :], file)
            rows = whole_rows(unread.read, delimiter)
            sample = _as_text(next(rows, b""), header.columns, delimiter)
            return _Start(header.columns, delimiter, sample, next(rows, None) is None)
    except LongLineError:
        return _Start(header.columns, delimiter, None, False)
    except _FAILURES as error:
        raise StepError(unreadable(shown, first_line(error), asked.encoding)) from error


class _Chained:
    """A stream whose first bytes were already read; `seen` keeps what it returned."""

    def __init__(self, start: bytes, rest: io.BufferedReader) -> None:
        self._start, self._rest, self.seen = start, rest, b""

    def read(self, size: int) -> bytes:
        block = self._start or self._rest.read(size)
        self._start = b""
        if len(self.seen) <= LONGEST_ROW:
            self.seen += block
        return block


def sniff_delimiter(start: bytes) -> str:
    """Find the most frequent delimiter in the first line, outside quotes; else a comma."""
    line = _QUOTED.sub(b"", start[: 1 << 16]).lstrip(b"\r\n").partition(b"\n")[0]
    return max(CSV_DELIMITERS, key=lambda delimiter: line.count(delimiter.encode()))


def _as_text(rows: bytes, columns: Sequence[str], delimiter: str) -> pa.Table | None:
    if not rows.strip():
        return None
    types = dict.fromkeys(columns, pa.string())
    try:
        return pa.csv.read_csv(
            pa.py_buffer(rows),
            read_options=pa.csv.ReadOptions(column_names=columns, block_size=len(rows) + 1),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in rows),
            convert_options=pa.csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid:
        # Reading the whole file will show what is wrong.
        return None


def read_columns(
    path: Path, start: _Start, asked: Asked, target: str, shown: str
) -> tuple[pa.Table, Text]:
    """Read all rows; `start` comes from `read_start`."""
    decimal = asked.decimal or _sniff_decimal(start)
    text = Text(TextRules(asked.missing, decimal), start.delimiter, asked.encoding)
    types = _guess(start, target, text.rules)
    try:
        try:
            table = _parse(path, text, types, 1 << 20)
        except (pa.ArrowException, OSError):
            # Arrow rejects some number, some text spans lines, or the file is broken.
            table = _parse(path, text, dict.fromkeys(start.columns, pa.string()), LONGEST_ROW)
    except _FAILURES as error:
        raise StepError(unreadable(shown, first_line(error), asked.encoding)) from error
    if target in start.columns:
        labels = values.infer_labels(table.column(target), text.rules)
        table = table.set_column(start.columns.index(target), target, labels)
    return table, text


def _guess(start: _Start, target: str, rules: TextRules) -> dict[str, pa.DataType]:
    types = dict.fromkeys(start.columns, pa.string())
    for name in start.columns:
        if start.sample is not None and name != target:
            texts = start.sample.column(name)
            # In a small table, a column with codes such as NA stays text, to report the codes.
            codes = ("",) if start.is_whole else rules.missing
            if _is_all_numbers(texts, replace(rules, missing=codes)):
                types[name] = pa.float64()
    return types


def _is_all_numbers(texts: pa.ChunkedArray, rules: TextRules) -> bool:
    if rules.decimal == ",":
        if pc.any(pc.match_substring(texts, ".")).as_py():
            return False
        texts = pc.replace_substring(texts, ",", ".")
    codes = pa.array(rules.missing)
    for some in (texts.slice(0, 100), texts):
        try:
            pc.if_else(pc.is_in(some, codes), None, some).cast(pa.float64())
        except pa.ArrowInvalid:
            return False
    return True


def _sniff_decimal(start: _Start) -> str:
    """Infer the decimal mark: a comma if some column uses one and none uses a point."""
    with_comma = False
    for column in start.sample.columns if start.sample is not None else ():
        texts = pc.utf8_trim_whitespace(column.slice(0, 1000))
        texts = texts.filter(pc.invert(pc.is_in(texts, pa.array(values.MISSING))))
        texts = pc.replace_substring_regex(texts, _AROUND_NUMBERS, r"\1")
        if len(texts) and _all_match(texts, r"^[+-]?\d*\.\d+$|^[+-]?\d+$"):
            if pc.any(pc.match_substring(texts, ".")).as_py():
                return "."
        elif len(texts) and _all_match(texts, r"^[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)(,\d+)?$"):
            commas = texts.filter(pc.match_substring(texts, ","))
            with_comma = with_comma or not _all_match(commas, r"^[+-]?[1-9]\d{0,2}(,\d{3})+$")
    return "," if with_comma else "."


def _all_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def _parse(path: Path, text: Text, types: dict[str, pa.DataType], block: int) -> pa.Table:
    def read(source: Any) -> pa.Table:
        return pa.csv.read_csv(
            source,
            read_options=pa.csv.ReadOptions(block_size=block),
            # Arrow parses blocks in parallel only if it may cut them at any line end.
            parse_options=pa.csv.ParseOptions(
                delimiter=text.delimiter, newlines_in_values=block == LONGEST_ROW
            ),
            convert_options=values.convert_options(types, text.rules),
        )

    is_arrows = path.suffix.lower() in _ARROW_READS or not _is_packed(path)
    if is_arrows and is_utf8(path, text.encoding):
        return read(path)
    with open_text(path, text.encoding) as file:
        return read(file)


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in (".zip", ".xz")


def unreadable(shown: str, reason: str, encoding: str) -> str:
    """Say why a CSV file could not be read, and what to do."""
    lowered = reason.lower()
    if "utf8" in lowered or "codec" in lowered or "utf-8" in lowered:
        name = "UTF-8" if encoding == AUTO else encoding
        return (
            f"expected {name} text in {shown}, found: {reason}; if it is in another encoding, "
            "name it (-P encoding=cp1252, say)"
        )
    if "straddling" in reason:
        return (
            f"expected rows of at most {LONGEST_ROW >> 20} MiB in {shown}, found a longer one; is "
            "a quote never closed?"
        )
    return f"could not read {shown}: {reason}"
