"""A prepared table, split into training and test rows: the result of a preprocess run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError
from steps.base.parsers import asking
from steps.data import values
from steps.data.checks import giveaways
from steps.data.decisions import DROPPED, Decision, Decisions
from steps.data.features import prepared_columns
from steps.data.profile import missing_values
from steps.data.rare_classes import check_left_out, leave_out, rare_classes
from steps.data.schema import DateColumn, Schema
from steps.data.split import check_classes, split
from steps.data.tables import require_columns
from steps.data.training_table import Prepared, prepare

__all__ = ["SplitTable", "prepare", "split_table", "with_test_table"]

# A category with more values than this in the training rows is encoded by the target.
MANY = 30


@dataclass(frozen=True)
class SplitTable:
    """The rows to train on and those held out, with their schema and the decisions."""

    train: pa.Table
    test: pa.Table
    schema: Schema
    decisions: Decisions


def split_table(prepared: Prepared, test_size: float, seed: int) -> SplitTable:
    """Split a prepared table, and complete its schema from the training rows."""
    train, test = split(prepared.table, prepared.schema, test_size, seed, prepared.order)
    return _finish(SplitTable(train, test, prepared.schema, prepared.decisions), test_size)


def with_test_table(prepared: Prepared, table: pa.Table, shown: str) -> SplitTable:
    """Train on the whole prepared table, and hold out another table with the same columns."""
    schema = prepared.schema
    require_columns((*schema.columns, schema.target), table.column_names, f"test_data {shown}")
    labels, known = _labels(table.column(schema.target), schema, shown)
    table, labels = table.filter(known), labels.filter(known)
    try:
        columns = prepared_columns(table.column, schema)
    except StepError as error:
        raise StepError(f"test_data {shown}: {error}") from error
    test = pa.table(columns | {schema.target: labels})
    share = len(test) / (len(test) + len(prepared.table))
    return _finish(SplitTable(prepared.table, test, schema, prepared.decisions), share)


def _labels(column: pa.ChunkedArray, schema: Schema, shown: str) -> tuple[pa.Array, pa.Array]:
    """Read the target of a table to hold out, and mark the rows that have one."""
    if not schema.classes:
        floats, wrong = values.numbers(column, schema.target, schema.rules)
        if wrong:
            raise StepError(f"test_data {shown}: {wrong[min(wrong)]}")
        return pa.array(floats), pa.array(~np.isnan(floats))
    positions = values.class_of(column, schema.classes)
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    missing = pc.fill_null(pc.is_in(texts, pa.array(schema.rules.missing)), True)
    unknown = np.flatnonzero((positions < 0) & ~missing.to_numpy())
    if len(unknown):
        first = int(unknown[0])
        raise StepError(
            f"test_data {shown}: expected one of the {len(schema.classes)} classes of "
            f"{schema.target}, found {texts[first].as_py()!r} in data row {first + 1}"
        )
    labels = pa.array(list(schema.classes)).take(pa.array(positions, mask=positions < 0))
    return labels, pa.array(positions >= 0)


def _without_rare_classes(parts: SplitTable) -> SplitTable:
    """Leave out the rows of classes that cannot be learned, and tell it."""
    schema, rare = parts.schema, rare_classes(parts.train, parts.schema)
    if not rare:
        return parts
    train, test = (leave_out(part, schema, rare) for part in (parts.train, parts.test))
    before, after = (len(parts.train), len(parts.test)), (len(train), len(test))
    note = check_left_out(schema, rare, before, after)
    classes = tuple(label for label in schema.classes if label not in rare)
    told = replace(parts.decisions, warnings=(*parts.decisions.warnings, note))
    return SplitTable(train, test, replace(schema, classes=classes), told)


def _finish(parts: SplitTable, test_size: float) -> SplitTable:
    """Complete the schema from the training rows.

    Leaves out rare classes, drops features without a value in the training rows, and warns of
    any that give answers away.
    """
    parts = _without_rare_classes(parts)
    check_classes((parts.train, parts.test), parts.schema, test_size)
    empty = [
        name
        for name in parts.schema.features
        if missing_values(parts.train, parts.schema, name).all()
    ]
    parts = without(parts, empty, "no value in the training rows") if empty else parts
    if not parts.schema.features:
        raise StepError(
            "expected values of at least one feature in the training rows, found none of "
            f"{', '.join(empty[:5])}"
        )
    many = tuple(
        name
        for name in parts.schema.categories
        if len(pc.unique(parts.train.column(name).drop_null())) > MANY
    )
    warnings = tuple(
        f"{name} alone predicts {parts.schema.target} almost perfectly; does it give the answer "
        f"away? ({asking('drop', [parts.schema.column_of(name)])} leaves it out)"
        for name in giveaways(parts.train, parts.schema)
    )
    told = replace(parts.decisions, warnings=(*parts.decisions.warnings, *warnings))
    return replace(parts, schema=replace(parts.schema, many_valued=many), decisions=told)


def without(parts: SplitTable, names: Sequence[str], why: str) -> SplitTable:
    """Leave features out of both parts."""
    schema, gone = parts.schema, set(names)
    dates = tuple(
        DateColumn(
            date.name,
            tuple(
                part
                for part, feature in zip(date.parts, date.features, strict=True)
                if feature not in gone
            ),
        )
        for date in schema.dates
    )
    lists: dict[str, Any] = {
        name: tuple(each for each in getattr(schema, name) if each not in gone)
        for name in ("features", "zero_as_missing", "categories", "booleans", "many_valued")
    }
    kept = [each for each in parts.decisions.columns if each.column not in gone]
    told = (*kept, *(Decision(name, DROPPED, why) for name in names))
    return SplitTable(
        parts.train.drop_columns(list(names)),
        parts.test.drop_columns(list(names)),
        replace(schema, **lists, dates=tuple(date for date in dates if date.parts)),
        replace(parts.decisions, columns=told),
    )
