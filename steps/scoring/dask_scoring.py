"""Scoring spread over a Dask cluster: each section of the input becomes its own Parquet file.

Every worker reads its sections of the input and writes its parts of the output itself, so workers
on other machines need storage that all machines share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.base.dask_cluster import dask_client
from steps.base.errors import FAILURE, StepError
from steps.base.files import writing
from steps.scoring import stream
from steps.scoring.csv_table import CsvTable
from steps.scoring.input_files import check_unchanged
from steps.scoring.plan import check_rows
from steps.scoring.quarantine import BadRows
from steps.scoring.sinks import parquet_part, part_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from steps.scoring.csv_table import CsvSection
    from steps.scoring.input_files import Digests
    from steps.scoring.parquet_table import ParquetSection
    from steps.scoring.plan import Request, Table
    from steps.scoring.rows import Layout, Rejected
    from steps.scoring.stream import Scorer, Totals

CSV_SECTION_BYTES = 32 << 20
# A worker may vanish (its machine is reclaimed); another one then repeats its work.
RETRIES = 2
SHARED = "workers need storage that all machines share"


@dataclass(frozen=True)
class Part:
    """What a worker reports about one section: its counts, and its bad rows chunk by chunk."""

    totals: Totals
    rejected: list[tuple[str, int, list[Rejected]]]


class _Collected(BadRows):
    """Collects bad rows on a worker; the calling process numbers them later."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[tuple[str, int, list[Rejected]]] = []

    def add(self, file: str, read: int, rejected: list[Rejected]) -> None:
        self.chunks.append((file, read, rejected))


def score(
    table: Table,
    scorer: Scorer,
    layout: Layout,
    request: Request,
    digests: Digests,
    progress: Callable[[int], None],
) -> Totals:
    """Score a table on the cluster of the request, into its output folder."""
    if request.scheduler is None:
        raise ValueError("expected a request with a scheduler")
    totals = stream.Totals()
    with (
        dask_client(request.scheduler) as client,
        request.opened() as (folder, bad),
    ):
        for number, part in enumerate(_parts(client, table, scorer, layout, folder, digests)):
            for chunk in part.rejected:
                bad.add(*chunk)
            if not (folder / part_name(number)).exists():
                raise StepError(f"expected the workers' files in {folder}, found none; {SHARED}")
            totals.merge(part.totals)
            progress(part.totals.written)
        check_rows(totals.read)
        check_unchanged(table.files)
    return totals


def _parts(
    client: Any, table: Table, scorer: Scorer, layout: Layout, folder: Path, digests: Digests
) -> Iterator[Part]:
    """Yield the parts in the order of the rows."""
    if isinstance(table, CsvTable):
        sections: Iterator[Any] = table.sections(digests, CSV_SECTION_BYTES)
    else:
        sections = table.sections(scorer.selection, digests)
    # Send the model to each worker once, not with each section.
    sent = client.scatter(scorer, broadcast=True)
    work = partial(score_section, layout=layout)
    futures = [
        client.submit(work, section, sent, str(folder.absolute() / part_name(number)),
                      retries=RETRIES, pure=False)
        for number, section in enumerate(sections)
    ]  # fmt: skip
    try:
        for future in futures:
            yield _result(future)
    finally:
        client.cancel(futures)


def _result(future: Any) -> Part:
    from distributed import KilledWorker

    try:
        part: Part = future.result()
    except KilledWorker as error:
        raise StepError(
            f"expected the cluster to score all parts, found workers that died at one: {error}",
            exit_code=FAILURE,
        ) from error
    return part


def score_section(
    section: CsvSection | ParquetSection, scorer: Scorer, part: str, layout: Layout
) -> Part:
    """Score one section into the Parquet file `part`; runs on a worker."""
    if not section.file.exists():
        raise StepError(f"expected {section.file.shown} on each worker, found nothing; {SHARED}")
    if not Path(part).parent.is_dir():
        raise StepError(f"expected {Path(part).parent} on each worker, found nothing; {SHARED}")
    bad = _Collected()
    with writing(Path(part), parquet_part(Path(part), Path(part), layout)) as sink:
        totals = stream.score(section.chunks(), scorer, sink, bad, lambda _: None)
    return Part(totals, bad.chunks)
