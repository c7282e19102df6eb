"""The split into training and test rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError
from steps.data.rare_classes import strata

if TYPE_CHECKING:
    from steps.data.schema import Label, Schema

_OTHER_SIZE = "hold out another share (-P test_size=…), or add rows"
RANDOM, TIME, GROUP = "random", "time", "group"


@dataclass(frozen=True)
class Split:
    """How to hold out rows: at random, the newest by a column, or whole groups of a column."""

    kind: str = RANDOM
    column: str = ""


AT_RANDOM = Split()


def parse_split(value: str) -> Split:
    """Read the parameter `split`."""
    kind, _, column = value.partition(":")
    if value != RANDOM and (kind not in (TIME, GROUP) or not column.strip()):
        raise ValueError(f"{RANDOM}, {TIME}:<column> or {GROUP}:<column>")
    return Split(kind, column)


def split(
    table: pa.Table,
    schema: Schema,
    test_size: float,
    seed: int,
    order: np.ndarray | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Split the rows into those to train on and those held out; both keep the table's order.

    Draws rows stratified by class; draws whole groups if the schema has a group column; holds out
    the rows with the largest values of `order` if it is given. A part may lack a class (see
    `check_classes`).
    """
    if order is not None:
        held_out = _newest(order, test_size)
    elif schema.group:
        held_out = _groups(table.column(schema.group), test_size, seed)
    else:
        held_out = _drawn(table, schema, test_size, seed)
    return table.filter(pa.array(~held_out)), table.filter(pa.array(held_out))


def _drawn(table: pa.Table, schema: Schema, test_size: float, seed: int) -> np.ndarray:
    # batch_score imports this module, and need not wait for scikit-learn's import.
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(table))
    labels = None
    if schema.classes:
        fewest = math.floor(min(test_size, 1 - test_size) * len(table))
        labels = strata(table.column(schema.target).to_numpy(), len(schema.classes), fewest)
    try:
        _, test = train_test_split(rows, test_size=test_size, random_state=seed, stratify=labels)
    except ValueError as error:
        raise _too_few(len(table), test_size, _reason(table, schema, test_size)) from error
    return _mask(test, len(table))


def _reason(table: pa.Table, schema: Schema, test_size: float) -> str:
    """Say why rows cannot be drawn: scikit-learn does not name the classes that are too rare."""
    counts = pc.value_counts(table.column(schema.target)) if schema.classes else pa.array([])
    rare = [str(each["values"]) for each in counts.to_pylist() if each["counts"] < 2]
    if not rare:
        held_out = math.ceil(test_size * len(table))
        return f"{held_out:,} would be held out and {len(table) - held_out:,} left to train on"
    more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
    return (
        f"only one row is {schema.target}={', '.join(rare[:5])}{more}; join such classes with "
        "others or leave their rows out"
    )


def _mask(rows: np.ndarray, count: int) -> np.ndarray:
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask


def _newest(order: np.ndarray, test_size: float) -> np.ndarray:
    """Mark the newest rows: at least the share `test_size`, and all that tie with the oldest."""
    count = math.ceil(test_size * len(order))
    oldest = np.partition(order, len(order) - count)[len(order) - count]
    held_out: np.ndarray = order >= oldest
    if held_out.all():
        raise StepError(
            f"parameter split: expected rows older than the newest {count:,} of {len(order):,}, "
            "found none; hold out less (-P test_size)"
        )
    return held_out


def _groups(column: pa.ChunkedArray, test_size: float, seed: int) -> np.ndarray:
    """Mark groups drawn at random, skipping any that would exceed `test_size` of the rows."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise StepError(f"parameter split: expected at least two groups, found {len(sizes)}")
    room = test_size * len(codes)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    chosen = np.zeros(len(sizes), dtype=bool)
    for group in drawn:
        if sizes[group] <= room:
            chosen[group] = True
            room -= sizes[group]
    if not chosen.any():
        chosen[np.argmin(sizes)] = True
    held_out: np.ndarray = chosen[codes]
    return held_out


def _too_few(rows: int, test_size: float, reason: str) -> StepError:
    return StepError(
        f"expected enough rows of each class to hold out test_size={test_size:g} of "
        f"{rows} row{'s' if rows > 1 else ''}: {reason}"
    )


def check_classes(parts: tuple[pa.Table, pa.Table], schema: Schema, test_size: float) -> None:
    """Raise a StepError if a part is empty or lacks a class, since it could not be scored.

    If there are more than two classes, the held-out rows may lack some, but not all but one.
    """
    rows = len(parts[0]) + len(parts[1])
    for name, part in zip(("training", "held-out"), parts, strict=True):
        if not len(part):
            raise _too_few(rows, test_size, f"no {name} row is left; {_OTHER_SIZE}")
        there: set[Label] = set(pc.unique(part.column(schema.target)).to_pylist())
        if part is parts[1] and len(schema.classes) > 2 and len(there) > 1:
            continue
        for label in schema.classes:
            if label not in there:
                reason = f"no {name} row is {schema.target}={label}; {_OTHER_SIZE}"
                raise _too_few(rows, test_size, reason)
