"""The model's features, read from a table's columns by a schema, for training and scoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError
from steps.data import dates, values
from steps.data.texts import as_dictionary, encode, is_text, short
from steps.data.values import DEFAULT, TextRules

if TYPE_CHECKING:
    from steps.data.schema import DateColumn, Schema

Column: TypeAlias = pa.Array | pa.ChunkedArray
Feature: TypeAlias = np.ndarray | pa.DictionaryArray
# Spellings that mean yes and no, whatever their case.
PAIRS = (("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"))
_WORDS = {yes: 1.0 for yes, _ in PAIRS} | {no: 0.0 for _, no in PAIRS}


@dataclass(frozen=True)
class Features:
    """Features in the schema's order, and what is wrong with rows, by position.

    Numbers are float64 arrays, NaN where missing; categories are dictionary arrays of text, null
    where missing.
    """

    arrays: dict[str, Feature]
    wrong: dict[int, str] = field(default_factory=dict)


def read_features(column: Callable[[str], Column], schema: Schema) -> Features:
    """Read the features of a schema from the columns that `column(name)` returns.

    A column of a type that cannot hold what is expected raises a StepError.
    """
    arrays: dict[str, Feature] = {}
    wrong: dict[int, str] = {}
    of_dates = {date.name: date for date in schema.dates}
    for name in schema.columns:
        made, reasons = _read(column(name), name, of_dates.get(name), schema)
        arrays |= made
        wrong = reasons | wrong
    return Features({name: arrays[name] for name in schema.features}, wrong)


def _read(
    found: Column, name: str, date: DateColumn | None, schema: Schema
) -> tuple[dict[str, Feature], dict[int, str]]:
    """Read the features that one column of the table makes."""
    check_type(found.type, name, schema)
    if date is not None:
        times, reasons = dates.read_dates(found, name, schema.rules)
        pairs = zip(date.features, date.parts, strict=True)
        return {feature: dates.part(times, part) for feature, part in pairs}, reasons
    if name in schema.categories:
        return {name: categories(found, schema.rules)}, {}
    read = booleans if name in schema.booleans else values.numbers
    floats, reasons = read(found, name, schema.rules)
    return {name: floats}, reasons


def prepared_columns(column: Callable[[str], Column], schema: Schema) -> dict[str, Column]:
    """Return features as Arrow columns, null where missing, and the dates that some are made of.

    A column that needs no change is the table's own: copies would be as large as the table. Raises
    a StepError for values that are no feature's.
    """
    features: dict[str, Column] = {}
    wrong: dict[int, str] = {}
    of_dates = {date.name: date for date in schema.dates}
    for name in schema.columns:
        found = column(name)
        made, reasons = _read(found, name, of_dates.get(name), schema)
        features |= {each: _as_arrow(array, found) for each, array in made.items()}
        wrong = reasons | wrong
    if wrong:
        row = min(wrong)
        raise StepError(f"{wrong[row]} in data row {row + 1} (of {len(wrong)} such rows)")
    # The held-out rows can be scored like any other table of the user.
    times = {name: dates.read_dates(column(name), name, schema.rules)[0] for name in of_dates}
    return {name: features[name] for name in schema.features} | times


def _as_arrow(feature: Feature, found: Column) -> Column:
    if not isinstance(feature, np.ndarray):
        return feature
    is_same = found.type == pa.float64() and np.isnan(feature).sum() == found.null_count
    return found if is_same else pa.array(feature, from_pandas=True)


def check_type(kind: pa.DataType, name: str, schema: Schema, shown: str = "") -> None:
    """Raise a StepError if a column of this type cannot hold what the schema expects in it.

    `shown` is what messages call the table.
    """
    if any(name == date.name for date in schema.dates):
        wanted, fits = "dates", dates.holds_dates(kind)
    elif name in schema.categories:
        wanted, fits = "text", holds_categories(kind)
    else:
        wanted, fits = "numbers", values.holds_numbers(kind)
    if not (fits or pa.types.is_null(kind)):
        where = f" of {shown}" if shown else ""
        raise StepError(f"expected {wanted} in column {name}{where}, found {kind}")


def holds_categories(kind: pa.DataType) -> bool:
    """Tell whether the values of a type can be written as text: not those of lists, say."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        # Its text depends on the zone, which may be unknown here.
        return False
    return is_text(kind) or (pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def categories(column: Column, rules: TextRules = DEFAULT) -> pa.DictionaryArray:
    """Turn a column of a type that `holds_categories` into trimmed texts, null where missing."""
    column = as_dictionary(as_text(column))
    if _is_clean(column.dictionary, rules):
        indices = column.indices.cast(pa.int32())
        return pa.DictionaryArray.from_arrays(indices, column.dictionary.cast(pa.string()))
    codes, texts = encode(column)
    missing = pc.is_in(texts, pa.array(rules.missing)).to_numpy(zero_copy_only=False)
    present = np.cumsum(~missing) - 1
    position = np.append(np.where(missing, -1, present), -1)[codes]
    indices = pa.array(position.astype(np.int32), mask=position < 0)
    return pa.DictionaryArray.from_arrays(indices, texts.filter(pa.array(~missing)))


def _is_clean(texts: pa.Array, rules: TextRules) -> bool:
    """Tell whether texts are trimmed and distinct, and none stands for a missing value."""
    texts = texts.cast(pa.string())
    return bool(
        not texts.null_count
        and pc.utf8_trim_whitespace(texts).equals(texts)
        and not pc.any(pc.is_in(texts, pa.array(rules.missing))).as_py()
        and len(pc.unique(texts)) == len(texts)
    )


def as_text(column: Column) -> Column:
    kind = column.type
    if pa.types.is_dictionary(kind) and not is_text(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    # Arrow writes 1.0 as "1", as it does in a column of whole numbers.
    return column if is_text(column.type) else column.cast(pa.string())


def booleans(
    column: Column, name: str, rules: TextRules = DEFAULT
) -> tuple[np.ndarray, dict[int, str]]:
    """Turn a column of booleans, yes and no (see `PAIRS`) or 1 and 0 into float64.

    Other values are returned separately, as by `values.numbers`.
    """
    if not is_text(column.type):
        floats, wrong = values.numbers(column, name, rules)
        bad = np.flatnonzero((floats != 0) & (floats != 1) & ~np.isnan(floats))
        return floats, wrong | {int(row): _no_boolean(name, floats[row]) for row in bad}
    codes, texts = encode(column)
    listed = [text.lower() for text in texts.to_pylist()]
    numbers, _ = values.number_texts(texts, name, rules)
    spelled = np.array([_WORDS.get(text, np.nan) for text in listed])
    floats = np.where(np.isnan(spelled), numbers, spelled)
    missing = pc.is_in(texts, pa.array(rules.missing)).to_numpy(zero_copy_only=False)
    floats[missing] = np.nan
    bad = np.flatnonzero(~missing & ~np.isin(floats, (0.0, 1.0)))
    reasons = {int(at): _no_boolean(name, repr(short(texts[int(at)].as_py()))) for at in bad}
    rows = np.flatnonzero(np.isin(codes, bad))
    return np.append(floats, np.nan)[codes], {int(row): reasons[codes[row]] for row in rows}


def _no_boolean(name: str, value: object) -> str:
    return f"expected yes or no (or true, t, y, 1 …) in column {name}, found {value}"
