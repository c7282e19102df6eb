"""Predictions as CSV text, gzipped or not."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError
from steps.data.values import as_floats

if TYPE_CHECKING:
    import numpy as np

    from steps.scoring.rows import Layout, Predicted, Rows, Sink

# gzip's own default takes twice as long to save another 3 %.
GZIP_LEVEL = 4


class _Csv:
    """Writes CSV text; `pack` compresses a piece so that packed pieces can be concatenated."""

    def __init__(
        self, path: Path, file: BinaryIO, layout: Layout, pack: Callable[[Any], Any]
    ) -> None:
        self.path, self._file, self._layout, self._pack = path, file, layout, pack
        self._labels = pa.array([line([label]) for label in layout.classes], pa.binary())
        file.write(pack(line(layout.names) + b"\n"))

    def encode(self, rows: Rows, predicted: Predicted) -> tuple[Any, int]:
        if rows.kept is not None:
            kept = [field_texts(rows.kept.column(item.name), item) for item in self._layout.kept]
        else:
            kept = [rows.lines]
        columns = kept
        if predicted.classes is not None:
            columns.append(self._labels.take(pa.array(predicted.classes)))
        *first, last = self._layout.numbers(predicted)
        columns += [*map(number_texts, first), number_texts(last, end="\n")]
        # The joined rows lie next to each other in memory: their buffer is the output's bytes.
        texts = pc.binary_join_element_wise(*columns, b",")
        return self._pack(texts.buffers()[2] if len(texts) else b""), len(texts)

    def write(self, encoded: tuple[Any, int]) -> int:
        data, rows = encoded
        self._file.write(data)
        return rows


@contextmanager
def csv_sink(
    part: Path, path: Path, layout: Layout, pack: Callable[[Any], Any] = lambda data: data
) -> Iterator[_Csv]:
    """Write CSV text to `part`, which will become `path`."""
    check_printable(layout.kept)
    with part.open("wb") as file:
        yield _Csv(path, file, layout, pack)


def gzipped_csv_sink(part: Path, path: Path, layout: Layout) -> AbstractContextManager[Sink]:
    """Write gzipped CSV text to `part`, which will become `path`."""
    # Gzip files may be concatenated, so many threads can each compress a piece.
    return csv_sink(part, path, layout, lambda data: gzip.compress(data, GZIP_LEVEL, mtime=0))


def line(values: list[Any]) -> bytes:
    """Format one line, without its line end."""
    text = io.StringIO()
    # With this line end the writer quotes names that contain a carriage return or a newline.
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue().removesuffix("\r\n").encode()


def check_printable(kept: Iterable[pa.Field]) -> None:
    """Raise a StepError if CSV cannot hold one of the kept columns."""
    nested = [item for item in kept if pa.types.is_nested(item.type)]
    if nested:
        raise _unprintable(nested)


def _unprintable(items: Sequence[pa.Field]) -> StepError:
    found = ", ".join(f"{item.name} of type {item.type}" for item in items[:5])
    more = f" and {len(items) - 5:,} more" if len(items) > 5 else ""
    return StepError(
        f"expected columns that CSV can hold, found {found}{more}; keep others (-P keep=…) or "
        "write .parquet"
    )


def number_texts(numbers: np.ndarray, end: str = "") -> pa.Array:
    """Format each number as the shortest text that reads back as the same, followed by `end`."""
    # Most probabilities of a forest repeat, so each distinct one is formatted only once.
    encoded = pa.array(numbers).dictionary_encode()
    texts = encoded.dictionary.cast(pa.string())
    whole = pc.match_substring_regex(texts, r"^-?\d+$")
    texts = pc.if_else(whole, pc.binary_join_element_wise(texts, "0", "."), texts)
    texts = pc.binary_join_element_wise(texts, end, "") if end else texts
    return texts.cast(pa.binary()).take(encoded.indices)


def field_texts(column: pa.ChunkedArray, item: pa.Field) -> pa.Array:
    """Format a column as CSV fields, quoted where necessary."""
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_boolean(values.type):
        values = pc.if_else(values, "True", "False")
    if pa.types.is_duration(values.type):
        # Seconds, as a model is given them: a reader of the text could not tell the unit.
        values = pa.array(as_floats(values), from_pandas=True)
    is_text = not pa.types.is_primitive(values.type)
    try:
        texts = pc.fill_null(values.cast(pa.string()), "")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # For example bytes that are not text.
        raise _unprintable([item]) from error
    if is_text:
        quoted = pc.binary_join_element_wise("", pc.replace_substring(texts, '"', '""'), "", '"')
        texts = pc.if_else(pc.match_substring_regex(texts, '[",\r\n]'), quoted, texts)
    return texts.cast(pa.binary())
