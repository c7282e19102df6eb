"""The column that rows are held out by: times or groups, one for each row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from steps.base.errors import StepError
from steps.data import dates, kinds, values
from steps.data.decisions import DATE, NUMBER
from steps.data.features import holds_categories
from steps.data.split import GROUP, TIME, Split
from steps.data.tables import require_columns
from steps.data.values import TextRules


def order(table: pa.Table, split: Split, target: str, rules: TextRules) -> np.ndarray | None:
    """Return a number per row, larger for newer rows; None if the split is not by time."""
    if split.kind != TIME:
        return None
    name = split.column
    _check_name(table, name, target)
    column = kinds.as_dictionary(table.column(name))
    kind = kinds.decide(column, name, rules)
    if kind.problem:
        raise StepError(kind.problem)
    if kind.decision.kind == DATE:
        times = dates.part(dates.read_dates(column, name, rules)[0], "days")
    elif kind.decision.kind == NUMBER:
        times = values.numbers(column, name, rules)[0]
    else:
        found = f"{kind.decision.kind}, {kind.decision.note}".removesuffix(", ")
        raise StepError(
            f"parameter split: expected dates or numbers in column {name}, found: {found}"
        )
    _check_each(int(np.isnan(times).sum()), "a time", name)
    return times


def group(table: pa.Table, split: Split, target: str) -> pa.Array | None:
    """Return the group of each row as text; None if the split is not by group."""
    if split.kind != GROUP:
        return None
    name = split.column
    _check_name(table, name, target)
    column = table.column(name)
    if not holds_categories(column.type):
        raise StepError(
            f"parameter split: expected groups of text or numbers in column {name}, found "
            f"{column.type}"
        )
    groups = pa.concat_arrays(values.label_texts(column, str).chunks)
    _check_each(groups.null_count, "a group", name)
    return groups


def _check_name(table: pa.Table, name: str, target: str) -> None:
    require_columns([name], table.column_names, "parameter split")
    if name == target:
        raise StepError(f"parameter split: expected another column than the target, found {name}")


def _check_each(without: int, what: str, name: str) -> None:
    if without:
        raise StepError(
            f"parameter split: expected {what} in each row of {name}, found {without:,} without "
            "one; fill it in, or leave such rows out"
        )
