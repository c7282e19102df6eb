"""The request, and the columns that it makes scoring read and write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from steps.base.errors import StepError
from steps.base.files import with_companion
from steps.base.parsers import NONE, asking, words
from steps.data.schema import BINARY
from steps.data.tables import require_columns
from steps.scoring.csv_table import CsvTable
from steps.scoring.input_files import PARQUET
from steps.scoring.parquet_table import ParquetTable
from steps.scoring.quarantine import BadRows, quarantine, rejected_path
from steps.scoring.rows import PREDICTED, Layout, Selection
from steps.scoring.sinks import FOLDER, kind, whole_output

if TYPE_CHECKING:
    from steps.data.schema import Schema
    from steps.scoring.input_files import InputFile

CSV_OUTPUTS = (".csv", ".csv.gz")
Table = CsvTable | ParquetTable


@dataclass(frozen=True)
class Request:
    """What the user asks for: `keep` is None for all columns of the input, () for none.

    `half_width` is half the interval around predicted numbers, or None. `scheduler` is the Dask
    cluster to use, or None.
    """

    output: Path
    delimiter: str
    keep: tuple[str, ...] | None = None
    all_probabilities: bool = False
    half_width: float | None = None
    quarantine: bool = False
    scheduler: str | None = None

    @property
    def is_spread(self) -> bool:
        """Whether a cluster does the work: it writes a file per part, so only into a folder."""
        return self.scheduler is not None and kind(self.output) == FOLDER

    @contextmanager
    def opened(self) -> Iterator[tuple[Path, BadRows]]:
        """Yield a place to write the output to, and the handler of bad rows.

        The output and the quarantine of bad rows appear when the block ends well: both or neither.
        """
        output = whole_output(self.output)
        if not self.quarantine:
            with output as part:
                yield part, BadRows()
            return
        path = rejected_path(self.output)
        with with_companion(output, path) as (part, rejected), quarantine(path, rejected) as bad:
            yield part, bad


def keep(value: str) -> tuple[str, ...] | None:
    """Read the parameter `keep`: all, none, or names separated by commas."""
    if value.strip().lower() in ("all", "none"):
        return None if value.strip().lower() == "all" else ()
    try:
        return words(value)
    except ValueError:
        raise ValueError("all, none, or different column names separated by commas") from None


def open_table(files: tuple[InputFile, ...], delimiter: str, encoding: str) -> Table:
    """Read the columns of all files and check that they are the same."""
    if files[0].format == PARQUET:
        return ParquetTable(files)
    return CsvTable(files, delimiter, encoding)


def plan(table: Table, schema: Schema, request: Request) -> tuple[Selection, Layout]:
    """Decide what to read from each row and what to write."""
    require_columns(schema.columns, table.columns, f"input {table.files[0].shown}")
    kept = table.columns if request.keep is None else request.keep
    require_columns(kept, table.columns, "parameter keep")
    target = schema.target if schema.target in table.columns else None
    selection = Selection(schema, kept, target)
    if isinstance(table, CsvTable) and kind(request.output) in CSV_OUTPUTS:
        as_lines = table.as_lines_possible(selection)
        selection = replace(selection, as_text=True, as_lines=as_lines)
    layout = Layout(
        kept=tuple(table.kept_types(selection)),
        classes=schema.classes,
        probabilities=_probabilities(schema, all_classes=request.all_probabilities),
        half_width=request.half_width,
    )
    _check_free(layout, kept)
    return selection, layout


def _probabilities(schema: Schema, *, all_classes: bool) -> tuple[tuple[str, int], ...]:
    if all_classes:
        classes = enumerate(schema.classes)
        return tuple((f"probability_{label}", position) for position, label in classes)
    return (("probability", 1 if schema.task == BINARY else PREDICTED),)


def _check_free(layout: Layout, kept: tuple[str, ...]) -> None:
    taken = [name for name in layout.added if name in kept]
    if taken:
        others = [name for name in kept if name not in taken] or [NONE]
        raise StepError(
            f"expected no input column named {', '.join(taken)}, a name that the output needs; "
            f"keep others ({asking('keep', others)}) or rename it"
        )


def check_rows(rows: int) -> None:
    """Raise a StepError if nothing was read."""
    if not rows:
        raise StepError("expected rows to score, found a header only")
