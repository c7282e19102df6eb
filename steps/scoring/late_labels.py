"""Labels that came after the predictions: joined by key in bounded memory, then scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError, first_line
from steps.data import values
from steps.data.csv_reading import sniff_delimiter
from steps.data.schema import BINARY
from steps.data.tables import require_columns
from steps.scoring.input_files import CSV, Digests
from steps.scoring.keys import PARTS, KeyedRows, by_key, hashes, key_texts
from steps.scoring.labelled import LabelledTotal, count_labelled, recorded
from steps.scoring.plan import open_table
from steps.scoring.rows import Predicted, Selection

if TYPE_CHECKING:
    from steps.data.schema import Schema
    from steps.scoring.input_files import InputFile
    from steps.scoring.labelled import Counts
    from steps.scoring.plan import Table
    from steps.scoring.rows import Rows

PREDICTION = "prediction"
# Scores of decisions: all that a predicted class gives without the probability of each class.
OF_DECISIONS = ("accuracy", "balanced_accuracy", "f1", "precision", "recall")
START_BYTES = 1 << 16


@dataclass
class Tally:
    """How many rows of a table there were, had no key, or a key that another row has too."""

    rows: int = 0
    without_key: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Labels:
    """A table of labels, spread over files by key: one row of each key, sorted.

    `unknown` rows have a label that the model does not know, `contradicting` keys several labels;
    both are left out.
    """

    rows: KeyedRows
    key: tuple[str, ...]
    tally: Tally
    unknown: int
    contradicting: int

    def __str__(self) -> str:
        return _told(
            f"{self.tally.rows:,} rows",
            {
                "without a key": self.tally.without_key,
                "with a key that came before": self.tally.repeated,
                "with a label that the model does not know": self.unknown,
                "keys with contradicting labels": self.contradicting,
            },
        )


def _told(what: str, counts: Mapping[str, int]) -> str:
    """Write something with those counts that are not zero."""
    there = [f"{name}: {number:,}" for name, number in counts.items() if number]
    return f"{what} ({', '.join(there)})" if there else what


@dataclass
class Joined:
    """The predictions of one run with their labels: how many rows, and their scores."""

    predictions: Tally = field(default_factory=Tally)
    matched: int = 0
    total: LabelledTotal = field(default_factory=LabelledTotal)
    decisions_only: bool = False

    @property
    def metrics(self) -> dict[str, float]:
        """Give what is written to the run, marked as late."""
        counts = self.total.total()
        if counts is None or not counts.rows:
            return {}
        levels = {f"late_{name}": value for name, value in counts.levels().items()}
        scores = recorded("late", counts, OF_DECISIONS if self.decisions_only else None)
        return {"late_rows_labelled": float(counts.rows), **levels, **scores}

    def __str__(self) -> str:
        left = self.predictions.rows - self.matched - self.predictions.without_key
        return _told(
            f"{self.matched:,} of {self.predictions.rows:,} predictions have a label",
            {
                "key without a label": left,
                "without a key": self.predictions.without_key,
                "with a key that came before": self.predictions.repeated,
            },
        )


def digest(files: tuple[InputFile, ...]) -> str:
    """Compute the digest of a table's files, as `Digests` does."""
    with Digests() as digests:
        for file in files:
            digests.start(file)
        return digests.value()


def read_labels_table(
    files: tuple[InputFile, ...], key: tuple[str, ...], schema: Schema, folder: Path
) -> Labels:
    """Read the true values and spread them over files in a new folder.

    A label that is no class (or number) of the model counts as unknown.
    """
    table = open_table(files, _delimiter(files[0], schema), schema.encoding)
    what = f"labels {files[0].shown}"
    require_columns((*key, schema.target), table.columns, what)
    tally, unknown = Tally(), 0
    with KeyedRows(folder, 1) as spread, Digests() as digests:
        for rows in _decoded(table, _bare(schema), key, schema.target, digests):
            labels = rows.labels
            if labels is None or rows.kept is None:
                continue
            unknown += labels.unknown.rows
            actual = labels.actual.astype(float)
            if schema.classes:
                actual[actual < 0] = np.nan
            _spread(rows.kept, key, actual[:, np.newaxis], spread, tally)
    contradicting = 0
    for number in range(PARTS):
        left, dropped = _one_of_each_key(spread.part(number), tally)
        spread.replace(number, left)
        contradicting += dropped
    return Labels(spread, key, tally, unknown, contradicting)


def _one_of_each_key(rows: np.ndarray, tally: Tally) -> tuple[np.ndarray, int]:
    """Leave one row of each key that has one label; count the keys that have several."""
    rows, starts = by_key(rows)
    tally.repeated += len(rows) - len(starts)
    if not len(starts):
        return rows, 0
    label = rows["numbers"][:, 0]
    # A row without a label, or with one that the model does not know, contradicts none.
    low = np.minimum.reduceat(np.where(np.isnan(label), np.inf, label), starts)
    high = np.maximum.reduceat(np.where(np.isnan(label), -np.inf, label), starts)
    left = rows[starts]
    left["numbers"][:, 0] = low
    return left[low == high], int((low < high).sum())


def _delimiter(file: InputFile, schema: Schema) -> str:
    if file.format != CSV:
        return schema.delimiter
    with file.open() as opened:
        return sniff_delimiter(opened.read(START_BYTES))


def _bare(schema: Schema) -> Schema:
    """Give the schema without features: only keys, labels and predictions are read."""
    return replace(schema, features=(), categories=(), zero_as_missing=(), booleans=(), dates=())


def _decoded(
    table: Table, schema: Schema, keep: tuple[str, ...], target: str | None, digests: Digests
) -> Iterator[Rows]:
    selection = Selection(schema, keep, target, as_text=True)
    for chunk in table.chunks(selection, digests):
        rows = chunk.decode(selection)
        if rows.rejected:
            first = rows.rejected[0]
            where = f"line {first.line}" if first.line is not None else f"row {first.row + 1}"
            raise StepError(
                f"expected whole rows in {chunk.file}, found at {where}: {first.reason}"
            )
        yield rows


def _spread(
    kept: pa.Table, key: Sequence[str], numbers: np.ndarray, spread: KeyedRows, tally: Tally
) -> None:
    texts = key_texts([kept.column(name) for name in key])
    tally.rows += len(texts)
    if texts.null_count:
        tally.without_key += texts.null_count
        there = pc.is_valid(texts)
        numbers = numbers[there.to_numpy(zero_copy_only=False)]
        texts = texts.filter(there)
    if len(texts):
        spread.add(hashes(texts), numbers)


def join(
    files: tuple[InputFile, ...], labels: Labels, schema: Schema, run: str, folder: Path
) -> Joined:
    """Join the predictions of a run with labels, and score them.

    Each prediction takes the label of its key, however often the key comes. A label that comes
    twice counts once; a key whose labels contradict each other has none.
    """
    table = open_table(files, ",", "utf-8")
    require_columns((*labels.key, PREDICTION), table.columns, f"predictions of run {run}")
    columns = _probabilities(table.columns, schema)
    found = Joined(decisions_only=bool(schema.classes) and len(columns) < len(schema.classes))
    found.decisions_only &= schema.task != BINARY
    width = 1 + len(columns)
    keep = (*labels.key, PREDICTION, *columns)
    with KeyedRows(folder, width) as spread, Digests() as digests:
        for rows in _decoded(table, _bare(schema), keep, None, digests):
            if rows.kept is not None:
                numbers = _numbers(rows.kept, columns, schema)
                _spread(rows.kept, labels.key, numbers, spread, found.predictions)
    try:
        for number in range(PARTS):
            _join_part(labels.rows.part(number), spread.part(number), schema, found)
    finally:
        spread.remove()
    return found


def _probabilities(columns: Sequence[str], schema: Schema) -> tuple[str, ...]:
    """Name the columns of probabilities that are of use: of two classes that of the positive."""
    if not schema.classes:
        return ()
    each = tuple(f"probability_{label}" for label in schema.classes)
    if schema.task == BINARY:
        name = "probability" if "probability" in columns else each[-1]
        require_columns((name,), columns, "predictions")
        return (name,)
    return each if set(each) <= set(columns) else ()


def _numbers(kept: pa.Table, columns: Sequence[str], schema: Schema) -> np.ndarray:
    predicted = kept.column(PREDICTION)
    if schema.classes:
        places = values.class_of(predicted, schema.classes)
        if (places < 0).any():
            raise StepError("expected classes of the model as predictions, found others")
        numbers = [places.astype(float)]
    else:
        numbers = [_floats(predicted)]
    return np.column_stack([*numbers, *(_floats(kept.column(name)) for name in columns)])


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    try:
        found: np.ndarray = column.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise StepError(f"expected numbers as predictions, found {first_line(error)}") from error
    if not np.isfinite(found).all():
        raise StepError("expected a number as each prediction, found rows without one")
    return found


def _join_part(labels: np.ndarray, predictions: np.ndarray, schema: Schema, found: Joined) -> None:
    predictions, starts = by_key(predictions)
    found.predictions.repeated += len(predictions) - len(starts)
    if not len(labels) or not len(predictions):
        return
    wanted = predictions["key"]
    place = np.searchsorted(labels["key"][:, 0], wanted[:, 0])
    place = np.minimum(place, len(labels) - 1)
    matches = (labels["key"][place] == wanted).all(axis=1)
    found.matched += int(matches.sum())
    if matches.any():
        actual = labels["numbers"][place[matches], 0]
        found.total.add(_counts(actual, predictions["numbers"][matches], schema))


def _counts(actual: np.ndarray, numbers: np.ndarray, schema: Schema) -> Counts:
    if not schema.classes:
        return count_labelled(actual, Predicted(numbers[:, 0], None), schema)
    classes, places = numbers[:, 0].astype(np.intp), actual.astype(np.intp)
    if schema.task == BINARY:
        output = np.column_stack([1 - numbers[:, 1], numbers[:, 1]])
    elif numbers.shape[1] > 1:
        output = numbers[:, 1:]
    else:
        # Only decisions are scored of these.
        output = np.eye(len(schema.classes))[classes]
    return count_labelled(places, Predicted(output, classes), schema)
