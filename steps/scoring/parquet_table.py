"""Parquet files as the input: their columns, and their rows in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from steps.base.errors import StepError, first_line
from steps.data import values
from steps.data.tables import check_columns
from steps.scoring.csv_table import check_same_columns
from steps.scoring.rows import Rejected, Rows

if TYPE_CHECKING:
    from steps.scoring.input_files import Digests, InputFile
    from steps.scoring.rows import Selection

BATCH_ROWS = 1 << 16
# Columns are read piece by piece, so a row group's size does not decide the memory.
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class ParquetChunk:
    """Some rows of a Parquet file."""

    file: str
    batch: pa.RecordBatch
    kept: tuple[pa.Field, ...]

    def decode(self, selection: Selection) -> Rows:
        """Take features, target and kept columns out of the batch."""
        read = self.batch.num_rows
        features, rejected = [], {}
        for name in selection.schema.features:
            floats, wrong = values.numbers(self.batch.column(name), name, selection.rules)
            features.append(floats)
            rejected.update({row: reason for row, reason in wrong.items() if row not in rejected})
        batch = self.batch
        if rejected:
            fine = np.ones(read, dtype=bool)
            fine[list(rejected)] = False
            batch, features = batch.filter(pa.array(fine)), [floats[fine] for floats in features]
        target = selection.target
        classes = selection.schema.classes
        actual = values.class_of(batch.column(target), classes) if target else None
        bad = [
            Rejected(row, None, rejected[row], self._text(row, selection))
            for row in sorted(rejected)
        ]
        return Rows(features, self._kept(batch), None, actual, read, bad)

    def _text(self, row: int, selection: Selection) -> str:
        cells = self.batch.slice(row, 1).select(list(selection.schema.features)).to_pylist()[0]
        return ",".join("" if cell is None else str(cell) for cell in cells.values())

    def _kept(self, batch: pa.RecordBatch) -> pa.Table:
        columns = []
        for item in self.kept:
            try:
                columns.append(batch.column(item.name).cast(item.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise StepError(
                    f"expected column {item.name} of type {item.type} as in the first file, "
                    f"found another in {self.file}: {error}"
                ) from error
        return pa.table(columns, schema=pa.schema(self.kept))


class ParquetTable:
    """Parquet files with the same columns, in any order."""

    def __init__(self, files: tuple[InputFile, ...]) -> None:
        self.files = files
        self.rows: int | None = 0
        for file in files:
            with open_parquet(file) as opened:
                schema = opened.schema_arrow
                self.rows += opened.metadata.num_rows
            if file is files[0]:
                self._schema = schema
                self.columns = tuple(schema.names)
                check_columns(self.columns, file.shown)
            check_same_columns(file.shown, tuple(schema.names), files[0].shown, self.columns)

    def kept_types(self, selection: Selection) -> list[pa.Field]:
        """Kept columns stay as they are in the first file."""
        return [self._schema.field(name) for name in selection.keep]

    def chunks(self, selection: Selection, digests: Digests) -> Iterator[ParquetChunk]:
        """Read the files one after the other."""
        kept = tuple(self.kept_types(selection))
        for file in self.files:
            # A Parquet file is not read from its start to its end, so this is another reading.
            digests.start(file)
            yield from ParquetSection(file, None, 1, selection, kept).chunks()

    def sections(self, selection: Selection, digests: Digests) -> Iterator[ParquetSection]:
        """Cut the files into sections, one per row group, to be read apart."""
        kept = tuple(self.kept_types(selection))
        for file in self.files:
            digests.start(file)
            row = 1
            with open_parquet(file) as opened:
                for group in range(opened.num_row_groups):
                    yield ParquetSection(file, group, row, selection, kept)
                    row += opened.metadata.row_group(group).num_rows


@dataclass(frozen=True)
class ParquetSection:
    """One row group of a file, or all (None); `row` is the number of the first row."""

    file: InputFile
    row_group: int | None
    row: int
    selection: Selection
    kept: tuple[pa.Field, ...]

    def chunks(self) -> Iterator[ParquetChunk]:
        """Read the rows, batch by batch."""
        schema = self.selection.schema
        wanted = [*schema.features, *self.selection.keep, self.selection.target]
        columns = list(dict.fromkeys(name for name in wanted if name is not None))
        groups = None if self.row_group is None else [self.row_group]
        row = self.row
        with open_parquet(self.file) as opened:
            _check_numbers_possible(self.file, opened.schema_arrow, schema.features)
            try:
                for batch in opened.iter_batches(BATCH_ROWS, groups, columns, use_threads=False):
                    yield ParquetChunk(self.file.shown, batch, self.kept)
                    row += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise StepError(
                    f"could not read {self.file.shown} from row {row} on: {first_line(error)}; "
                    "is the file whole?"
                ) from error


def open_parquet(file: InputFile) -> Any:
    """Open a Parquet file; a context manager."""
    try:
        source = file.path if file.is_local else file.open()
        return pa.parquet.ParquetFile(source, buffer_size=READ_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise StepError(
            f"expected a whole Parquet file in {file.shown}, found: {first_line(error)} (no row "
            "of it can be read; was it cut off?)"
        ) from error


def _check_numbers_possible(file: InputFile, schema: pa.Schema, features: tuple[str, ...]) -> None:
    for name in features:
        kind = schema.field(name).type
        if not values.holds_numbers(kind):
            raise StepError(f"expected numbers in column {name} of {file.shown}, found {kind}")
