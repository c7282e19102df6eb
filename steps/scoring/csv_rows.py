"""Decode chunks of CSV text to rows: quickly if all is well, row by row if something is wrong.

Arrow parses the text either way, and its handler of invalid rows reports those with too many or
too few fields. But it cannot say where rows begin: an open quote swallows everything after it. It
also gives neither the line of a row nor the bytes of one that is not UTF-8 (its handler fails
there). So this module numbers the rows first (`csv_text`). We also tried DuckDB 1.5 with
`store_rejects`: it is as fast, but an open quote swallows the following rows there too, bytes
that are not UTF-8 are lost, it opens files itself, and it adds 69 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from steps.base.errors import StepError
from steps.data import csv_text, values
from steps.data.features import Features, read_features
from steps.scoring.labels import read_labels
from steps.scoring.rows import Rejected, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steps.data.schema import Schema
    from steps.data.values import TextRules
    from steps.scoring.rows import Selection

# As a dictionary, so that each distinct text of a chunk is examined only once.
TEXTS = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class CsvChunk:
    """Whole rows of a CSV file, as text; `line` is the number of the first line, from 1.

    `encoding` is the file's original encoding, "" for UTF-8. `is_regular`: the text is known to be
    regular (see `csv_text.is_regular`).
    """

    file: str
    text: bytes
    line: int
    columns: tuple[str, ...]
    delimiter: str
    encoding: str = ""
    is_regular: bool = False

    def decode(self, selection: Selection) -> Rows:
        """Parse the rows; leave out the bad ones and say what is wrong with each."""
        if not self._is_plain() or not self._is_text():
            return _decode_carefully(self, selection)
        schema = selection.schema
        # Few numbers are written in a way that only the text rules can read: `1,234`, true.
        for types in (_types(schema), dict.fromkeys(schema.columns, TEXTS)):
            try:
                table = _parse(self.text, self, selection, types)
            except pa.ArrowInvalid:
                continue
            features = read_features(table.column, schema)
            if not features.wrong:
                lines = _lines(self, table.num_rows) if selection.as_lines else None
                return _rows(table, features, lines, selection, [])
        return _decode_carefully(self, selection)

    def _is_plain(self) -> bool:
        """Tell whether it is clear where rows end."""
        text = self.text
        if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
            return False
        if self.is_regular or b'"' not in text:
            return True
        return text.count(b'"') % 2 == 0 and csv_text.is_regular(text, self.delimiter)

    def _is_text(self) -> bool:
        """Tell whether recoded text is valid; Arrow itself checks what was UTF-8 to begin with."""
        if not self.encoding or self.text.isascii():
            return True
        try:
            self.text.decode()
        except UnicodeDecodeError:
            return False
        return True


def _types(schema: Schema) -> dict[str, pa.DataType]:
    texts = {*schema.categories, *schema.booleans, *(date.name for date in schema.dates)}
    return {name: TEXTS if name in texts else pa.float64() for name in schema.columns}


def _parse(
    text: bytes,
    chunk: CsvChunk,
    selection: Selection,
    types: Mapping[str, pa.DataType],
    on_invalid: Callable[[Any], str] | None = None,
) -> pa.Table:
    if text.startswith(csv_text.BYTE_ORDER_MARK):
        # Arrow 25 strips a byte order mark, but here it is part of the first cell.
        text = csv_text.BYTE_ORDER_MARK + text
    wanted = dict.fromkeys(_texts(selection), pa.string()) | dict(types)
    return pa.csv.read_csv(
        pa.py_buffer(text),
        read_options=pa.csv.ReadOptions(
            # One chunk is one block, parsed by the calling thread: we spread chunks over threads.
            column_names=chunk.columns,
            use_threads=False,
            block_size=len(text) + 1,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=chunk.delimiter,
            newlines_in_values=b'"' in text,
            invalid_row_handler=on_invalid,
        ),
        convert_options=values.convert_options(wanted, selection.schema.rules, list(wanted)),
    )


def _texts(selection: Selection) -> list[str]:
    kept = () if selection.as_lines else selection.keep
    return [*kept, *([selection.target] if selection.target else [])]


def _lines(chunk: CsvChunk, rows: int) -> pa.Array:
    """Return the text of each row."""
    text = chunk.text.replace(b"\r\n", b"\n") if b"\r" in chunk.text else chunk.text
    lines = pc.split_pattern(pa.array([text.rstrip(b"\n")], pa.binary()), "\n").flatten()
    # Blank lines and line ends within quotes leave more lines than rows.
    if len(lines) == rows:
        return lines
    numbered = csv_text.numbered_rows(chunk.text, chunk.delimiter)
    return pa.array([row for _, row, _ in numbered], pa.binary())


def _rows(
    table: pa.Table,
    features: Features,
    lines: pa.Array | None,
    selection: Selection,
    rejected: list[Rejected],
) -> Rows:
    target = selection.target
    labels = read_labels(table.column(target), selection.schema) if target else None
    kept = None if selection.as_lines else _kept(table, features, selection)
    if lines is not None and len(lines) != len(table):
        raise StepError(
            f"expected the text of {len(table)} rows, found that of {len(lines)}; please "
            "report this"
        )
    read = len(table) + len(rejected)
    return Rows([*features.arrays.values()], kept, lines, labels, read, rejected)


def _kept(table: pa.Table, features: Features, selection: Selection) -> pa.Table:
    fields = kept_fields(selection)
    columns = [
        pa.array(features.arrays[item.name], from_pandas=True)
        if item.name in features.arrays and pa.types.is_floating(item.type)
        else _of_type(table.column(item.name), item.type, selection.schema.rules)
        for item in fields
    ]
    return pa.table(columns, schema=pa.schema(fields))


def kept_fields(selection: Selection) -> list[pa.Field]:
    """Return the types of the kept columns: numbers are float64, the target has its classes' type.

    Before the last row is read, only the types of features and target are known; a guess from the
    first rows may be wrong. So other columns stay text, and an identifier such as 007 loses
    nothing.
    """
    schema = selection.schema
    types: dict[str, pa.DataType] = {}
    if not selection.as_text:
        kinds = {bool: pa.bool_(), int: pa.int64(), str: pa.string()}
        types[schema.target] = kinds[type(schema.classes[0])] if schema.classes else pa.float64()
    types |= {name: kind for name, kind in _types(schema).items() if kind != TEXTS}
    return [pa.field(name, types.get(name, pa.string())) for name in selection.keep]


def _of_type(column: pa.ChunkedArray, kind: pa.DataType, rules: TextRules) -> pa.ChunkedArray:
    if pa.types.is_string(kind):
        return column.cast(kind)
    # In a typed column, a target that is absent or of another kind becomes a missing value.
    if pa.types.is_floating(kind):
        numbers, wrong = values.numbers(column, "", rules)
        numbers = numbers.copy()
        numbers[list(wrong)] = float("nan")
        return pa.chunked_array([pa.array(numbers, from_pandas=True)])
    return values.label_texts(column, bool if pa.types.is_boolean(kind) else int).cast(kind)


# --- something is wrong with a chunk, so inspect each of its rows ----------------------------


@dataclass
class _Inspected:
    """The rows of a chunk with bad ones: line and text of each row, and why a row is bad."""

    rows: list[tuple[int, bytes]] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    def good(self) -> list[int]:
        return [row for row in range(len(self.rows)) if row not in self.reasons]


def _decode_carefully(chunk: CsvChunk, selection: Selection) -> Rows:
    inspected = _number_rows(chunk)
    schema = selection.schema
    if _texts(selection) or chunk.encoding or TEXTS in _types(schema).values():
        _check_text(inspected, chunk.encoding or "UTF-8")
    table, features = _check_fields(inspected, chunk, selection)
    texts = [inspected.rows[row][1] for row in inspected.good()]
    lines = pa.array(texts, pa.binary()) if selection.as_lines else None
    rejected = [
        Rejected(row, chunk.line + line, reason, text.decode("utf-8", errors="replace"))
        for row, reason in sorted(inspected.reasons.items())
        for line, text in [inspected.rows[row]]
    ]
    return _rows(table, features, lines, selection, rejected)


def _number_rows(chunk: CsvChunk) -> _Inspected:
    inspected = _Inspected()
    expected = f"expected {len(chunk.columns)} fields, found"
    for row, (line, text, is_whole) in enumerate(
        csv_text.numbered_rows(chunk.text, chunk.delimiter)
    ):
        inspected.rows.append((line, text))
        if not is_whole:
            inspected.reasons[row] = f"{expected} a broken quote"
        elif b"\r" in text and b"\r" in csv_text.outside_quotes(text, chunk.delimiter):
            inspected.reasons[row] = f"{expected} a carriage return that is not in quotes"
    return inspected


def _check_text(inspected: _Inspected, encoding: str) -> None:
    # The caller skips this check where it keeps a row's bytes unread: they need no encoding.
    for row in inspected.good():
        text = inspected.rows[row][1]
        try:
            text.isascii() or text.decode("utf-8")
        except UnicodeDecodeError as error:
            inspected.reasons[row] = f"expected {encoding} text, found {error.reason}"


def _check_fields(
    inspected: _Inspected, chunk: CsvChunk, selection: Selection
) -> tuple[pa.Table, Features]:
    """Parse the rows that are good so far; reject those with a wrong field count or bad values."""
    asked = inspected.good()
    # Arrow 25 refuses empty text as no CSV, but reads no rows from a blank line: hence the end.
    text = b"\n".join(inspected.rows[row][1] for row in asked) + b"\n"
    if not text.isascii():
        text = text.decode("utf-8", errors="replace").encode()

    def on_invalid(invalid: Any) -> str:
        inspected.reasons[asked[invalid.number - 1]] = (
            f"expected {invalid.expected_columns} fields, found {invalid.actual_columns}"
        )
        return "skip"

    try:
        types = dict.fromkeys(selection.schema.columns, TEXTS)
        table = _parse(text, chunk, selection, types, on_invalid)
    except pa.ArrowInvalid as error:
        raise StepError(
            f"could not read {chunk.file} from line {chunk.line} on: {error}"
        ) from error
    parsed = inspected.good()
    if table.num_rows != len(parsed):
        raise StepError(
            f"could not read {chunk.file} from line {chunk.line} on: expected {len(parsed)} rows, "
            f"found {table.num_rows}; please report this"
        )
    features = read_features(table.column, selection.schema)
    for position, reason in features.wrong.items():
        inspected.reasons.setdefault(parsed[position], reason)
    if not features.wrong:
        return table, features
    fine = pa.array([row not in inspected.reasons for row in parsed])
    table = table.filter(fine)
    return table, read_features(table.column, selection.schema)
