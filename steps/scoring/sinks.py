"""Where predictions go: CSV, gzipped CSV, a Parquet file, or a folder of Parquet files.

A sink encodes rows in any thread and writes what was encoded in one thread, in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet

from steps.base.errors import StepError
from steps.base.files import is_folder, whole_file, whole_folder, writing
from steps.base.places import check_file, check_folder
from steps.scoring.csv_sink import csv_sink, gzipped_csv_sink

if TYPE_CHECKING:
    from steps.scoring.rows import Layout, Predicted, Rows, Sink

ROWS_PER_GROUP = 1 << 18
ROWS_PER_PART = 1 << 20
PART_NAME = re.compile(r"part-\d{6,}\.parquet")
FOLDER = ""


def check_output(path: Path) -> None:
    """Raise a StepError if predictions cannot be written to a path."""
    if kind(path) == FOLDER:
        check_folder(path, PART_NAME)
    else:
        check_file(path)


def whole_output(path: Path) -> AbstractContextManager[Path]:
    """Yield a place to write an output to; it appears when the block ends well."""
    return whole_folder(path, PART_NAME) if kind(path) == FOLDER else whole_file(path)


@contextmanager
def open_sink(part: Path, path: Path, layout: Layout) -> Iterator[Sink]:
    """Open the sink that the suffix of `path` asks for; it writes to `part`, all when it ends."""
    with writing(path, _KINDS[kind(path)](part, path, layout)) as sink:
        yield sink


def kind(path: Path) -> str:
    """Tell the kind of an output by its name: `.csv`, `.csv.gz`, `.parquet`, or "" for a folder."""
    name = path.name.lower()
    for suffix in (".csv", ".csv.gz", ".parquet"):
        if name.endswith(suffix):
            return suffix
    if path.suffix and not is_folder(path):
        raise StepError(
            f"expected an output named .csv, .csv.gz or .parquet, or a folder without a suffix, "
            f"found {path}"
        )
    return FOLDER


class _Rows:
    """Tables of predictions, cut into row groups of one size."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self._layout = path, layout
        self._labels = pa.array(list(layout.classes))
        added = [pa.field("prediction", self._labels.type)] if layout.classes else []
        added += [pa.field(name, pa.float64()) for name in layout.numbers_added]
        self.schema = pa.schema([*layout.kept, *added])

    def encode(self, rows: Rows, predicted: Predicted) -> pa.Table:
        kept = rows.kept.columns if rows.kept is not None else []
        columns = []
        if predicted.classes is not None:
            columns.append(self._labels.take(pa.array(predicted.classes)))
        columns += map(pa.array, self._layout.numbers(predicted))
        return pa.table([*kept, *columns], schema=self.schema)


class _Parquet(_Rows):
    """One Parquet file."""

    def __init__(self, path: Path, file: BinaryIO, layout: Layout) -> None:
        super().__init__(path, layout)
        self._writer = pa.parquet.ParquetWriter(file, self.schema)
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, encoded: pa.Table) -> int:
        self._waiting.append(encoded)
        self._rows += encoded.num_rows
        if self._rows >= ROWS_PER_GROUP:
            self._flush()
        return int(encoded.num_rows)

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=self._rows)
        self._waiting, self._rows = [], 0

    def finish(self) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        # The footer of a discarded file may not fit on a full disk either.
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


@contextmanager
def parquet_part(part: Path, path: Path, layout: Layout) -> Iterator[_Parquet]:
    """Write the Parquet file `part`; the caller moves it to `path`, or to its set in `path`."""
    with part.open("wb") as file:
        sink = _Parquet(path, file, layout)
        try:
            yield sink
            sink.finish()
        finally:
            sink.abandon()


class _Folder(_Rows):
    """Parquet files of `ROWS_PER_PART` rows, but for the last one."""

    def __init__(self, path: Path, folder: Path, layout: Layout, open_files: ExitStack) -> None:
        super().__init__(path, layout)
        self._folder, self._stack = folder, open_files
        self._parts = 0
        self._next()

    def _next(self) -> None:
        self._stack.close()
        part = self._folder / part_name(self._parts)
        self._sink = self._stack.enter_context(parquet_part(part, self.path, self._layout))
        self._parts, self._room = self._parts + 1, ROWS_PER_PART

    def write(self, encoded: pa.Table) -> int:
        rest = encoded
        while rest.num_rows:
            if not self._room:
                self._next()
            written = self._sink.write(rest.slice(0, self._room))
            self._room, rest = self._room - written, rest.slice(written)
        return int(encoded.num_rows)


def part_name(number: int) -> str:
    """Name a file of a partitioned set, so that names sort as their numbers do."""
    return f"part-{number:06d}.parquet"


@contextmanager
def _folder(part: Path, path: Path, layout: Layout) -> Iterator[_Folder]:
    with ExitStack() as open_files:
        yield _Folder(path, part, layout, open_files)


_KINDS: dict[str, Callable[[Path, Path, Layout], AbstractContextManager[Sink]]] = {
    ".csv": csv_sink,
    ".csv.gz": gzipped_csv_sink,
    ".parquet": parquet_part,
    FOLDER: _folder,
}
