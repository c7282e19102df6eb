"""Score files into an output: everything of `batch_score` that needs no tracking server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from steps.core import console
from steps.core.errors import StepError
from steps.core.tables import require_columns
from steps.scoring import drift, stream
from steps.scoring.csv_table import CsvTable
from steps.scoring.digests import Digests
from steps.scoring.inputs import PARQUET
from steps.scoring.parquet_table import ParquetTable
from steps.scoring.quarantine import BadRows, quarantine
from steps.scoring.rows import Selection, output_columns
from steps.scoring.sinks import Layout, kind, open_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steps.core.schema import Schema
    from steps.scoring.drift import Bins, Drift
    from steps.scoring.inputs import InputFile
    from steps.scoring.predictor import Predictor
    from steps.scoring.stream import Totals

CSV_OUTPUTS = (".csv", ".csv.gz")


@dataclass(frozen=True)
class Request:
    """What is asked for: `keep` None is all columns of the input, () none."""

    output: Path
    delimiter: str
    keep: tuple[str, ...] | None = None
    all_probabilities: bool = False
    quarantine: bool = False


@dataclass(frozen=True)
class Result:
    """What came of it; `drift` is empty where the training profile is not known."""

    totals: Totals
    digest: str
    seconds: float
    drift: tuple[Drift, ...]


def score_files(
    files: tuple[InputFile, ...],
    predictor: Predictor,
    schema: Schema,
    request: Request,
    bins: tuple[Bins, ...] | None,
) -> Result:
    """Score all rows of the files into the output, which appears whole or not at all."""
    started = time.monotonic()
    table = open_table(files, request.delimiter)
    selection, layout = plan(table, schema, request)
    scorer = stream.Scorer(predictor, selection, bins)
    with (
        open_sink(request.output, layout) as sink,
        bad_rows(request) as bad,
        Digests() as digests,
        console.progress(table.rows, "rows", "batch_score") as shown,
    ):
        chunks = table.chunks(selection, digests)
        totals = stream.score(chunks, scorer, sink, bad, shown.update)
        digest = digests.value()
    found = drift.compare(totals.drift, bins) if bins else ()
    return Result(totals, digest, time.monotonic() - started, found)


def open_table(files: tuple[InputFile, ...], delimiter: str) -> CsvTable | ParquetTable:
    """Read the columns of all files and check that they are the same."""
    if files[0].format == PARQUET:
        return ParquetTable(files)
    return CsvTable(files, delimiter)


def plan(
    table: CsvTable | ParquetTable, schema: Schema, request: Request
) -> tuple[Selection, Layout]:
    """Settle what is read of each row and what is written."""
    first = table.files[0].shown
    require_columns(schema.features, table.columns, f"input {first}")
    keep = table.columns if request.keep is None else request.keep
    require_columns(keep, table.columns, f"keep, input {first}")
    target = schema.target if schema.target in table.columns else None
    selection = Selection(schema, keep, target)
    if isinstance(table, CsvTable) and kind(request.output) in CSV_OUTPUTS:
        as_lines = table.as_lines_possible(selection)
        selection = Selection(schema, keep, target, as_lines)
    layout = Layout(
        tuple(table.kept_types(selection)), schema.classes, _probabilities(schema, request)
    )
    output_columns(selection, table.columns, layout.added)
    return selection, layout


def _probabilities(schema: Schema, request: Request) -> tuple[tuple[str, int], ...]:
    if not request.all_probabilities:
        return (("probability", 1),)
    return tuple(
        (f"probability_{label}", position) for position, label in enumerate(schema.classes)
    )


@contextmanager
def bad_rows(request: Request) -> Iterator[BadRows]:
    """Open what deals with bad rows as the request asks."""
    if not request.quarantine:
        yield BadRows()
        return
    with quarantine(request.output) as bad:
        yield bad


def check_versions(
    trained_with: Mapping[str, str], strict: bool, warn: Callable[[str], None]
) -> None:
    """Compare the scikit-learn that the model was trained with, up to the minor version."""
    trained, here = trained_with.get("scikit-learn"), version("scikit-learn")
    if trained is None or trained.split(".")[:2] == here.split(".")[:2]:
        return
    message = f"expected scikit-learn {trained}, with which the model was trained, found {here}"
    if strict:
        raise StepError(f"{message}; install that one, or use -P strict=false")
    warn(f"{message}; results may differ (-P strict=true refuses)")
