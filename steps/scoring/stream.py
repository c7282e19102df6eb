"""Scoring as a stream: reading, predicting and writing overlap, in bounded memory, in order.

The calling thread reads chunks, a pool of threads decodes, predicts and encodes them, and one
thread writes them in the order in which they were read. Arrow, numpy and the trees release the
interpreter's lock, so threads are enough, and memory holds the model only once.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.base.errors import FAILURE, StepError
from steps.base.files import output_errors
from steps.scoring import drift
from steps.scoring.expected import Expected
from steps.scoring.labelled import LabelledTotal, count_labelled
from steps.scoring.labels import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from steps.scoring.bins import Bins
    from steps.scoring.labelled import Counts
    from steps.scoring.predictor import Predictor
    from steps.scoring.quarantine import BadRows
    from steps.scoring.rows import Chunk, Predicted, Rejected, Selection, Sink


def threads() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Scorer:
    """What is done with each chunk: the same here and on a cluster."""

    predictor: Predictor
    selection: Selection
    bins: tuple[Bins, ...] | None
    half_width: float | None = None

    def __call__(self, chunk: Chunk, sink: Sink) -> Scored:
        """Decode a chunk, predict its rows, encode them, and count what is watched."""
        rows = chunk.decode(self.selection)
        if not len(rows):
            return Scored(chunk.file, rows.read, rows.rejected, None)
        schema = self.selection.schema
        predicted = self.predictor.predict(rows.features)
        labelled, unknown = None, Unknown()
        if rows.labels is not None:
            unknown = rows.labels.unknown
            labelled = count_labelled(rows.labels.actual, predicted, schema, self.half_width)
        return Scored(
            file=chunk.file,
            read=rows.read,
            rejected=rows.rejected,
            encoded=sink.encode(rows, predicted),
            predicted=_sums(predicted, len(schema.classes)),
            expected=Expected.count(predicted),
            unseen=Counter(predicted.unseen),
            drift=drift.count(rows.features, self.bins) if self.bins else [],
            labelled=labelled,
            unknown=unknown,
        )


def _sums(predicted: Predicted, classes: int) -> np.ndarray:
    """Count the rows of each predicted class, or add up the predicted numbers."""
    if predicted.classes is None:
        return np.array([predicted.output.sum()])
    return np.bincount(predicted.classes, minlength=classes)


@dataclass(frozen=True)
class Scored:
    """One scored chunk: what is to be written, and what was counted."""

    file: str
    read: int
    rejected: list[Rejected]
    encoded: Any
    predicted: np.ndarray | None = None
    expected: Expected | None = None
    unseen: Counter[str] = field(default_factory=Counter)
    drift: list[np.ndarray] = field(default_factory=list)
    labelled: Counts | None = None
    unknown: Unknown = field(default_factory=Unknown)


@dataclass
class Totals:
    """What was counted over all chunks.

    `predicted` has the rows of each predicted class, or the sum of the predicted numbers.
    `unseen` counts rows by category whose text the training rows did not have.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    predicted: np.ndarray | None = None
    expected: Expected | None = None
    unseen: Counter[str] = field(default_factory=Counter)
    drift: list[np.ndarray] = field(default_factory=list)
    labelled: LabelledTotal = field(default_factory=LabelledTotal)
    unknown: Unknown = field(default_factory=Unknown)

    def merge(self, other: Totals) -> None:
        """Add what was counted elsewhere."""
        self.read += other.read
        self.written += other.written
        self.rejected += other.rejected
        self._add_counts(other, other.labelled.total())

    def _add_counts(self, other: Totals | Scored, labelled: Counts | None) -> None:
        if other.predicted is not None:
            before = 0 if self.predicted is None else self.predicted
            self.predicted = before + other.predicted
        if other.expected is not None:
            self.expected = self.expected + other.expected if self.expected else other.expected
        if other.drift:
            zeros = [np.zeros_like(each) for each in other.drift]
            pairs = zip(self.drift or zeros, other.drift, strict=True)
            self.drift = [before + more for before, more in pairs]
        if labelled is not None:
            self.labelled.add(labelled)
        # Not +=, which leaves out what is 0: a category without unseen texts is known to be so.
        self.unseen.update(other.unseen)
        self.unknown.add(other.unknown.rows, other.unknown.texts)

    def add(self, part: Scored, written: int) -> None:
        """Add a chunk of which `written` rows were written; they must be all of its good ones."""
        expected = part.read - len(part.rejected)
        if written != expected:
            raise StepError(
                f"expected all {expected} good rows of a chunk of {part.file} to be written, found "
                f"{written}; the output is left as it was: please report this",
                exit_code=FAILURE,
            )
        self.read += part.read
        self.written += written
        self.rejected += len(part.rejected)
        self._add_counts(part, part.labelled)


def score(
    chunks: Iterable[Chunk],
    scorer: Scorer,
    sink: Sink,
    bad_rows: BadRows,
    progress: Callable[[int], None],
    workers: int | None = None,
) -> Totals:
    """Score chunks into a sink; `progress` receives the number of rows of each written chunk.

    Raises the first error of reading, predicting or writing, in row order.
    """
    workers = workers or threads()
    totals = Totals()

    def write(future: Future[Scored]) -> None:
        part = future.result()
        bad_rows.add(part.file, part.read, part.rejected)
        with output_errors(sink.path):
            written = sink.write(part.encoded) if part.encoded is not None else 0
        totals.add(part, written)
        progress(written)

    predicting = ThreadPoolExecutor(workers, thread_name_prefix="predict")
    # One thread takes one chunk after the other: the order of writing is that of reading.
    writing = ThreadPoolExecutor(1, thread_name_prefix="write")
    waiting: deque[Future[None]] = deque()
    try:
        for chunk in chunks:
            waiting.append(writing.submit(write, predicting.submit(scorer, chunk, sink)))
            # Bound the memory: queue only as many chunks as keep all threads busy.
            if len(waiting) > workers + 2:
                waiting.popleft().result()
        while waiting:
            waiting.popleft().result()
    finally:
        predicting.shutdown(cancel_futures=True)
        writing.shutdown(cancel_futures=True)
    return totals
