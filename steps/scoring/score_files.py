"""Score files into an output: everything of `batch_score` that needs no tracking server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from steps.base import console
from steps.base.errors import StepError
from steps.scoring import drift, stream
from steps.scoring.input_files import Digests, check_unchanged
from steps.scoring.plan import check_rows, open_table, plan
from steps.scoring.sinks import open_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steps.data.schema import Label, Schema
    from steps.scoring.bins import Bins
    from steps.scoring.drift import Drift
    from steps.scoring.input_files import InputFile
    from steps.scoring.plan import Request, Table
    from steps.scoring.predictor import Predictor
    from steps.scoring.rows import Layout
    from steps.scoring.stream import Totals


@dataclass(frozen=True)
class ScoringResult:
    """The result of scoring; `drift` is empty if the training profile is unknown."""

    classes: tuple[Label, ...]
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
) -> ScoringResult:
    """Score all rows of the files into the output, which appears whole or not at all."""
    started = time.monotonic()
    table = open_table(files, request.delimiter, schema.encoding)
    selection, layout = plan(table, schema, request)
    scorer = stream.Scorer(predictor, selection, bins, request.half_width)
    score = _score_here
    if request.is_spread:
        # Few runs need Dask; importing it only here keeps the start of the others short.
        from steps.scoring.dask_scoring import score
    with Digests() as digests, console.progress(table.rows, "rows", "batch_score") as shown:
        totals = score(table, scorer, layout, request, digests, shown.update)
        digest = digests.value()
    drifts = drift.compare(totals.drift, bins) if bins and totals.written else ()
    return ScoringResult(schema.classes, totals, digest, time.monotonic() - started, drifts)


def check_columns(files: tuple[InputFile, ...], schema: Schema, request: Request) -> None:
    """Raise a StepError if the columns of the files cannot be scored or kept."""
    plan(open_table(files, request.delimiter, schema.encoding), schema, request)


def _score_here(
    table: Table,
    scorer: stream.Scorer,
    layout: Layout,
    request: Request,
    digests: Digests,
    progress: Callable[[int], None],
) -> Totals:
    chunks = table.chunks(scorer.selection, digests)
    # The sink and the bad rows are complete before either appears.
    with (
        request.opened() as (part, bad),
        open_sink(part, request.output, layout) as sink,
    ):
        totals = stream.score(chunks, scorer, sink, bad, progress)
        check_rows(totals.read)
        check_unchanged(table.files)
    return totals


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
