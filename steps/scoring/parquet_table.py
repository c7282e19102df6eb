"""Parquet files as the input: their columns, and their rows in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from steps.base.errors import StepError, first_line
from steps.data.features import check_type, read_features
from steps.data.plain_types import plain, plain_type
from steps.data.tables import check_columns
from steps.data.texts import is_text
from steps.scoring.csv_table import check_same_columns
from steps.scoring.labels import read_labels
from steps.scoring.rows import Rejected, Rows

if TYPE_CHECKING:
    from steps.data.schema import Schema
    from steps.scoring.input_files import Digests, InputFile
    from steps.scoring.rows import Selection

BATCH_ROWS = 1 << 16
# Read columns piece by piece, so that memory does not depend on the size of a row group.
READ_BYTES = 1 << 20
# Columns of wrong types that a message names.
MOST_WRONG = 10


@dataclass(frozen=True)
class ParquetChunk:
    """Some rows of a Parquet file."""

    file: str
    batch: pa.RecordBatch
    kept: tuple[pa.Field, ...]

    def decode(self, selection: Selection) -> Rows:
        """Take features, target and kept columns out of the batch."""
        batch, rejected = plain(self.batch), []
        features = read_features(batch.column, selection.schema)
        if wrong := features.wrong:
            rejected = [
                Rejected(row, None, wrong[row], self._text(row, selection)) for row in sorted(wrong)
            ]
            fine = np.ones(len(batch), dtype=bool)
            fine[list(wrong)] = False
            batch = batch.filter(pa.array(fine))
            features = read_features(batch.column, selection.schema)
        target = selection.target
        labels = read_labels(batch.column(target), selection.schema) if target else None
        arrays = [*features.arrays.values()]
        return Rows(arrays, self._kept(batch), None, labels, len(self.batch), rejected)

    def _text(self, row: int, selection: Selection) -> str:
        cells = self.batch.slice(row, 1).select(list(selection.schema.columns)).to_pylist()[0]
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
        """Return the kept columns' types, which are those of the first file."""
        fields = [self._schema.field(name) for name in selection.keep]
        return [field.with_type(plain_type(field.type)) for field in fields]

    def chunks(self, selection: Selection, digests: Digests) -> Iterator[ParquetChunk]:
        """Read the files one after the other."""
        kept = tuple(self.kept_types(selection))
        for file in self.files:
            # Parquet is not read from start to end, so its digest needs a second reading.
            digests.start(file)
            yield from ParquetSection(file, None, 1, selection, kept).chunks()

    def sections(self, selection: Selection, digests: Digests) -> Iterator[ParquetSection]:
        """Cut the files into sections, one per row group, that can be read independently."""
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
        wanted = [*schema.columns, *self.selection.keep, self.selection.target]
        columns = list(dict.fromkeys(name for name in wanted if name is not None))
        groups = None if self.row_group is None else [self.row_group]
        row = self.row
        texts = self._check_types(schema)
        with open_parquet(self.file, texts) as opened:
            try:
                for batch in opened.iter_batches(BATCH_ROWS, groups, columns, use_threads=False):
                    yield ParquetChunk(self.file.shown, batch, self.kept)
                    row += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise StepError(
                    f"could not read {self.file.shown} from row {row} on: {first_line(error)}; "
                    "is the file complete?"
                ) from error

    def _check_types(self, schema: Schema) -> list[str]:
        """Check the features' types; name the text columns, to be read as dictionaries."""
        with open_parquet(self.file) as opened:
            types = {name: opened.schema_arrow.field(name).type for name in schema.columns}
        wrong = []
        for name, kind in types.items():
            try:
                check_type(kind, name, schema, self.file.shown)
            except StepError as error:
                wrong.append(str(error))
        if wrong:
            more = f"; and {len(wrong) - MOST_WRONG:,} more like these"
            raise StepError(
                "; ".join(wrong[:MOST_WRONG]) + (more if len(wrong) > MOST_WRONG else "")
            )
        return [name for name, kind in types.items() if is_text(kind)]


def open_parquet(file: InputFile, texts: Sequence[str] = ()) -> Any:
    """Open a Parquet file, a context manager; `texts` become dictionary arrays."""
    try:
        source = file.path if file.is_local else file.open()
        return pa.parquet.ParquetFile(
            source, buffer_size=READ_BYTES, pre_buffer=False, read_dictionary=list(texts)
        )
    except (pa.ArrowException, OSError) as error:
        raise StepError(
            f"expected a complete Parquet file in {file.shown}, found: {first_line(error)} "
            "(none of its rows can be read; was it cut off?)"
        ) from error
