"""Turning a table as read into the columns that a model trains on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from steps.base.errors import StepError
from steps.base.parsers import asking
from steps.data import kinds, split_columns
from steps.data.csv_reading import DEFAULT, Text
from steps.data.decisions import BOOLEAN, CATEGORY, DATE, DROPPED, NUMBER, Decision, Decisions
from steps.data.features import prepared_columns
from steps.data.kinds import Kind
from steps.data.schema import DateColumn, Schema
from steps.data.split import AT_RANDOM, GROUP, TIME, Split
from steps.data.tables import require_columns
from steps.data.targets import AUTO, Target, read_target

# A table with all of these is the diabetes table, where zeros in them are not measurements.
ZEROS_OF_DIABETES = ("Glucose", "BloodPressure", "SkinThickness", "Insulin", "BMI")
# Columns that scoring adds to a table.
RESERVED = ("prediction", "probability")


@dataclass(frozen=True)
class Wanted:
    """What to learn from a table.

    `features=None` means all columns, `zero_as_missing=None` those of the diabetes table.
    `split` says how to hold out rows, and by which column, if any.
    """

    target: str
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    zero_as_missing: tuple[str, ...] | None = None
    task: str = AUTO
    positive: str = AUTO
    split: Split = AT_RANDOM


@dataclass(frozen=True)
class Prepared:
    """A table to train on: features, columns of dates, the group if there is one, and the target.

    If the split is by time, `order` holds a number per row, larger for newer rows.
    """

    table: pa.Table
    schema: Schema
    decisions: Decisions
    order: np.ndarray | None = None


@dataclass
class _Problems:
    found: list[str] = field(default_factory=list)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the problem that the block raises, to report it with the others."""
        try:
            yield
        except StepError as error:
            self.found.append(str(error))

    def check(self) -> None:
        """Raise all problems as one error."""
        found = [*dict.fromkeys(self.found)]
        if found:
            more = f"; and {len(found) - 10} more like these" if len(found) > 10 else ""
            raise StepError("; ".join(found[:10]) + more)


def prepare(table: pa.Table, wanted: Wanted, text: Text = DEFAULT) -> Prepared:
    """Decide what the columns of a table are, and give them the types that training needs.

    One StepError reports everything that is wrong with the table.
    """
    problems = _Problems()
    require_columns([wanted.target], table.column_names, "parameter target")
    target: Target | None = None
    with problems.collect():
        target = read_target(
            table.column(wanted.target), wanted.target, text.rules, wanted.task, wanted.positive
        )
    if target is not None and not target.present.all():
        table = table.filter(pa.array(target.present))
    columns = {
        name: kinds.as_dictionary(table.column(name)) for name in _inputs(table, wanted, problems)
    }
    decided = {name: kinds.decide(column, name, text.rules) for name, column in columns.items()}
    problems.found += [kind.problem for kind in decided.values() if kind.problem]
    with problems.collect():
        _check_names(decided, wanted.target)
    order = group = None
    with problems.collect():
        order = split_columns.order(table, wanted.split, wanted.target, text.rules)
        group = split_columns.group(table, wanted.split, wanted.target)
    zeros: tuple[str, ...] = ()
    with problems.collect():
        zeros = _zeros(decided, wanted)
    problems.check()
    if target is None:
        raise StepError(f"expected a target {wanted.target} that can be read")
    odd = dict.fromkeys(code for kind in decided.values() for code in kind.odd)
    rules = replace(text.rules, missing=(*text.rules.missing, *odd))
    schema = _schema(decided, wanted, target, zeros, replace(text, rules=rules))
    arrays = prepared_columns(columns.__getitem__, schema)
    arrays |= {} if group is None else {schema.group: group}
    prepared = pa.table(arrays | {wanted.target: target.labels})
    told = _decisions(table, decided, wanted, schema, target)
    return Prepared(prepared, schema, told, order)


def _inputs(table: pa.Table, wanted: Wanted, problems: _Problems) -> list[str]:
    for what, names in (("features", wanted.features or ()), ("drop", wanted.drop)):
        with problems.collect():
            require_columns(names, table.column_names, f"parameter {what}")
    left_out = {wanted.target, *wanted.drop}
    if wanted.split.kind == GROUP:
        left_out.add(wanted.split.column)
    asked = None if wanted.features is None else set(wanted.features)
    return [
        name
        for name in table.column_names
        if name not in left_out and (asked is None or name in asked)
    ]


def _check_names(decided: dict[str, Kind], target: str) -> None:
    used = [name for name, kind in decided.items() if kind.decision.kind != DROPPED]
    if target in RESERVED:
        raise StepError(
            f"expected no target named {target}, a name that scoring adds to a table; rename it"
        )
    if taken := [name for name in used if name in RESERVED]:
        raise StepError(
            f"expected no column named {' or '.join(taken)}, which scoring adds to a table; rename "
            f"it ({asking('drop', taken)} leaves it out)"
        )
    parts = [
        part
        for name, kind in decided.items()
        for part in DateColumn(name, kind.parts).features
        if part in decided or part == target
    ]
    if parts:
        raise StepError(
            f"expected no column named {parts[0]}, a name for the parts of a date; rename it"
        )


def _zeros(decided: dict[str, Kind], wanted: Wanted) -> tuple[str, ...]:
    numbers = [name for name, kind in decided.items() if kind.decision.kind == NUMBER]
    if wanted.zero_as_missing is None:
        is_diabetes = all(name in decided for name in ZEROS_OF_DIABETES)
        return tuple(name for name in ZEROS_OF_DIABETES if is_diabetes and name in numbers)
    require_columns(
        wanted.zero_as_missing,
        list(decided),
        "parameter zero_as_missing (none if there is no such column)",
    )
    others = [name for name in wanted.zero_as_missing if decided[name].decision.kind == CATEGORY]
    if others:
        raise StepError(
            f"parameter zero_as_missing: expected columns of numbers, found that {others[0]} is a "
            "category"
        )
    return tuple(name for name in wanted.zero_as_missing if name in numbers)


def _schema(
    decided: dict[str, Kind],
    wanted: Wanted,
    target: Target,
    zeros: tuple[str, ...],
    text: Text,
) -> Schema:
    features: list[str] = []
    found: dict[str, list[str]] = {kind: [] for kind in (BOOLEAN, CATEGORY, DATE, NUMBER)}
    parts = {}
    for name, kind in decided.items():
        if kind.decision.kind == DROPPED:
            continue
        found[kind.decision.kind].append(name)
        parts[name] = _parts(name, kind, wanted)
        features += DateColumn(name, parts[name]).features if kind.parts else [name]
    by_time = wanted.split.column if wanted.split.kind == TIME else None
    features = [name for name in features if name != by_time]
    if not features:
        why = "; ".join(str(kind.decision) for kind in list(decided.values())[:5])
        raise StepError(
            f"expected feature columns beside the target {wanted.target}, found none"
            + (f" that tells rows apart ({why})" if why else "")
            + "; add columns of numbers, dates or categories"
        )
    return Schema(
        features=tuple(features),
        target=wanted.target,
        classes=target.classes,
        zero_as_missing=zeros,
        delimiter=text.delimiter,
        encoding=text.encoding,
        categories=tuple(found[CATEGORY]),
        booleans=tuple(found[BOOLEAN]),
        dates=tuple(DateColumn(name, parts[name]) for name in found[DATE] if parts[name]),
        group=wanted.split.column if wanted.split.kind == GROUP else "",
        rules=text.rules,
    )


def _parts(name: str, kind: Kind, wanted: Wanted) -> tuple[str, ...]:
    # New rows are newer than all training rows, so the model has never seen such days.
    is_split_by = wanted.split.kind == TIME and wanted.split.column == name
    return tuple(part for part in kind.parts if not (is_split_by and part == "days"))


def _decisions(
    table: pa.Table, decided: dict[str, Kind], wanted: Wanted, schema: Schema, target: Target
) -> Decisions:
    columns = [kind.decision for kind in decided.values()]
    columns += [
        Decision(name, DROPPED, "as asked") for name in wanted.drop if name != wanted.target
    ]
    notes = list(target.notes)
    by = wanted.split
    if by.kind == TIME:
        notes.append(f"the rows with the newest {by.column} are held out; it is no feature itself")
    if by.kind == GROUP:
        notes.append(f"rows with the same {by.column} stay together; it is no feature")
    zeros = ", ".join(schema.zero_as_missing)
    notes.append(f"zeros in {zeros} are missing" if zeros else "zeros are values, none is missing")
    warnings = [*target.warnings]
    warnings += [
        f"{name}: {', '.join(map(repr, kind.odd[:5]))} is no {kind.decision.kind}, and is missing "
        "from here on, in every column and in new rows"
        for name, kind in decided.items()
        if kind.odd and kind.decision.kind != DROPPED
    ]
    warnings += [
        f"{name} only numbers the rows, and a model learns their order from it "
        f"({asking('drop', [name])} leaves it out)"
        for name, kind in decided.items()
        if kind.counts_rows and name in schema.features
    ]
    return Decisions(tuple(columns), tuple(notes), tuple(warnings))
