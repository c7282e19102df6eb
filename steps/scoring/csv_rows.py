"""Chunks of CSV text decoded to rows: quickly if all is well, row by row if something is not."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from steps.base.errors import StepError
from steps.data import numbers
from steps.data.numbers import fits
from steps.scoring import csv_text
from steps.scoring.rows import Rejected, Rows, class_of

if TYPE_CHECKING:
    from steps.scoring.csv_table import CsvChunk
    from steps.scoring.rows import Selection

LINE_END = ord("\n")


def kept_field(name: str, selection: Selection) -> pa.Field:
    """Give the type in which a CSV column is kept.

    Only the features' type is known before the last row is read; a guess from the first rows may
    be wrong. So other columns stay text, and nothing of an identifier such as 007 is lost.
    """
    if name in selection.schema.features:
        return pa.field(name, pa.float64())
    if name == selection.schema.target and not selection.as_text:
        kinds = {bool: pa.bool_(), int: pa.int64(), str: pa.string()}
        return pa.field(name, kinds[type(selection.schema.positive)])
    return pa.field(name, pa.string())


def decode(chunk: CsvChunk, selection: Selection) -> Rows:
    """Parse a chunk; rows that are not as expected are left out, with what is wrong with them."""
    if chunk.text.count(b'"') % 2:
        # A quote that nothing closes: Arrow would take all that follows for its text.
        return _decode_carefully(chunk, selection)
    try:
        table = _parse(chunk.text, chunk, _types(chunk, selection))
    except pa.ArrowInvalid:
        return _decode_carefully(chunk, selection)
    features = [_floats(table.column(name)) for name in selection.schema.features]
    if not all(map(fits, features)):
        return _decode_carefully(chunk, selection)
    lines = _lines(chunk, table.num_rows) if selection.as_lines else None
    if selection.as_lines and lines is None:
        return _decode_carefully(chunk, selection)
    return _rows(table, features, lines, selection, table.num_rows, [])


def _types(chunk: CsvChunk, selection: Selection) -> dict[str, pa.DataType]:
    kept = () if selection.as_lines else selection.keep
    texts = [*kept, *([selection.target] if selection.target else [])]
    features = dict.fromkeys(selection.schema.features, pa.float64())
    return dict.fromkeys(texts, pa.string()) | features


def _parse(text: bytes, chunk: CsvChunk, types: dict[str, pa.DataType]) -> pa.Table:
    if text.startswith(csv_text.BYTE_ORDER_MARK):
        # Arrow takes one away, and here it is a part of the first cell.
        text = csv_text.BYTE_ORDER_MARK + text
    return pa.csv.read_csv(
        pa.py_buffer(text),
        read_options=pa.csv.ReadOptions(
            # One chunk is one block, parsed by the thread that asks: chunks are what is spread.
            column_names=chunk.columns,
            use_threads=False,
            block_size=len(text) + 1,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=chunk.delimiter, newlines_in_values=b'"' in text
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=numbers.MISSING,
            strings_can_be_null=False,
        ),
    )


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    floats: np.ndarray = column.combine_chunks().to_numpy(zero_copy_only=False)
    return floats


def _lines(chunk: CsvChunk, rows: int) -> pa.Array | None:
    """Give the text of each row, after a line end; None if it is unclear where rows end."""
    text = chunk.text.replace(b"\r\n", b"\n") if b"\r" in chunk.text else chunk.text
    lined = b"\n" + text.rstrip(b"\n")
    ends = np.flatnonzero(np.frombuffer(lined, np.uint8) == LINE_END)
    # Blank lines and line ends within quotes both make more lines than rows.
    if len(ends) == rows:
        return _binary(lined, ends)
    texts = [row for _, row in csv_text.numbered_rows(chunk.text, chunk.delimiter)]
    return _joined(texts) if len(texts) == rows else None


def _joined(texts: list[bytes]) -> pa.Array:
    lined = [b"\n" + text for text in texts]
    return _binary(b"".join(lined), np.cumsum([0, *map(len, lined)])[:-1])


def _binary(data: bytes, starts: np.ndarray) -> pa.Array:
    offsets = np.append(starts, len(data)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(starts), buffers)


def _rows(
    table: pa.Table,
    features: list[np.ndarray],
    lines: pa.Array | None,
    selection: Selection,
    read: int,
    rejected: list[Rejected],
) -> Rows:
    target = selection.target
    actual = class_of(table.column(target), selection.schema.classes) if target else None
    kept = None if selection.as_lines else _kept(table, features, selection)
    return Rows(features, kept, lines, actual, read, rejected)


def _kept(table: pa.Table, features: list[np.ndarray], selection: Selection) -> pa.Table:
    by_name = dict(zip(selection.schema.features, features, strict=True))
    fields = [kept_field(name, selection) for name in selection.keep]
    columns = [
        pa.array(by_name[item.name], from_pandas=True)
        if item.name in by_name
        else _of_type(table.column(item.name), item.type)
        for item in fields
    ]
    return pa.table(columns, schema=pa.schema(fields))


def _of_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_string(kind):
        return column
    # A target that is not there yet, or of another kind, is a missing value in a typed column.
    pattern = r"^(true|false)$" if pa.types.is_boolean(kind) else r"^-?\d{1,18}$"
    texts = pc.ascii_lower(pc.utf8_trim_whitespace(column))
    if pa.types.is_integer(kind):
        # pandas writes whole numbers so where some are missing.
        texts = pc.replace_substring_regex(texts, r"\.0$", "")
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, None).cast(kind)


# --- something is wrong with a chunk, so look at each of its rows ----------------------------


@dataclass
class _Inspected:
    """The rows of a chunk that is not all well: line and text of each, reasons of the bad."""

    rows: list[tuple[int, bytes]]
    reasons: dict[int, str]

    def good(self) -> list[int]:
        return [row for row in range(len(self.rows)) if row not in self.reasons]


def _decode_carefully(chunk: CsvChunk, selection: Selection) -> Rows:
    found = _Inspected(list(csv_text.numbered_rows(chunk.text, chunk.delimiter)), {})
    _check_fields(found, chunk)
    types = dict.fromkeys(_types(chunk, selection), pa.binary())
    _check_text(found, chunk, selection, types)
    table, features = _check_numbers(found, chunk, selection, types)
    good = found.good()
    texts = [found.rows[row][1] for row in good]
    lines = _joined(texts) if selection.as_lines else None
    return _rows(table, features, lines, selection, len(found.rows), _rejected(found, chunk))


def _rejected(found: _Inspected, chunk: CsvChunk) -> list[Rejected]:
    return [
        Rejected(
            row,
            chunk.line + found.rows[row][0],
            reason,
            found.rows[row][1].decode("utf-8", errors="replace"),
        )
        for row, reason in sorted(found.reasons.items())
    ]


def _check_fields(found: _Inspected, chunk: CsvChunk) -> None:
    expected, delimiter = len(chunk.columns), chunk.delimiter.encode()
    for row, (_, text) in enumerate(found.rows):
        try:
            quoted = b'"' in text
            fields = (
                len(csv_text.split_fields(text, chunk.delimiter))
                if quoted
                else text.count(delimiter) + 1
            )
        except csv.Error as error:
            found.reasons[row] = f"expected {expected} fields, found a broken quote ({error})"
            continue
        if fields != expected:
            found.reasons[row] = f"expected {expected} fields, found {fields}"


def _check_text(
    found: _Inspected, chunk: CsvChunk, selection: Selection, types: dict[str, pa.DataType]
) -> None:
    if chunk.text.isascii():
        return
    texts = [name for name in types if name not in selection.schema.features]
    for row in found.good():
        try:
            found.rows[row][1].decode("utf-8")
        except UnicodeDecodeError as error:
            # What is kept as its own bytes needs no encoding.
            if texts:
                found.reasons[row] = f"expected UTF-8 text, found {error.reason}"


def _check_numbers(
    found: _Inspected, chunk: CsvChunk, selection: Selection, types: dict[str, pa.DataType]
) -> tuple[pa.Table, list[np.ndarray]]:
    good = found.good()
    table = _parse_good(found, good, chunk, types)
    features = []
    for name in selection.schema.features:
        floats, wrong = numbers.from_text(table.column(name), name)
        features.append(floats)
        for position, reason in wrong.items():
            found.reasons.setdefault(good[position], reason)
    fine = np.array([row not in found.reasons for row in good], dtype=bool)
    others = [name for name in types if name not in selection.schema.features]
    texts = table.select(others).cast(pa.schema([(name, pa.string()) for name in others]))
    # Without columns a table has no rows that could be chosen from.
    texts = texts.filter(pa.array(fine)) if others else texts
    return texts, [floats[fine] for floats in features]


def _parse_good(
    found: _Inspected, good: list[int], chunk: CsvChunk, types: dict[str, pa.DataType]
) -> pa.Table:
    if not good:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    text = b"\n".join(found.rows[row][1] for row in good) + b"\n"
    try:
        table = _parse(text, chunk, types)
    except pa.ArrowInvalid as error:
        raise StepError(
            f"could not read {chunk.file} from line {chunk.line} on: {error}"
        ) from error
    if table.num_rows != len(good):
        raise StepError(
            f"could not read {chunk.file} from line {chunk.line} on: line ends within a row that "
            "are not in quotes; write the file anew with one kind of line end"
        )
    return table
