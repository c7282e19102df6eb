"""Numbers, missing values and labels, read in one way for training and scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from steps.base.parsers import AUTO, NONE
from steps.data.texts import (
    BOOLEANS,
    LARGEST,
    as_plain_number,
    encode,
    is_text,
    parse_numbers,
    short,
)

if TYPE_CHECKING:
    from steps.data.schema import Label

# Texts for a missing value: those of pandas and Arrow, and those that spreadsheets, databases and
# old tables write. An empty or blank cell is always missing.
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    *("?", "-", ".", "#DIV/0!", r"\N"),
)
# What Arrow counts durations and times of day in.
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Any 18 digits fit into 64 bits. Pandas writes whole numbers with .0 if some are missing.
_WHOLE = r"^[+-]?\d{1,18}(\.0*)?$"


@dataclass(frozen=True)
class TextRules:
    """How to read the text of a cell, once surrounding white space is removed.

    `missing` lists the texts that stand for a missing value, as written; if one is a number,
    every number equal to it is missing. `decimal` is the decimal mark; the other mark, an
    apostrophe or a space may separate thousands.
    """

    missing: tuple[str, ...] = MISSING
    decimal: str = "."

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers that stand for a missing value."""
        plain = (as_plain_number(text, self.decimal) for text in self.missing)
        return tuple(float(text) for text in plain if text)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TextRules:
        """Build the rules from what `dataclasses.asdict` or its JSON text gives."""
        return cls(tuple(content.get("missing", MISSING)), content.get("decimal", "."))


DEFAULT = TextRules()


def parse_missing(value: str) -> tuple[str, ...]:
    """Read the parameter `missing`: texts separated by commas; `auto` are those of `MISSING`."""
    if value.strip().lower() == NONE:
        return ("",)
    given = [text.strip() for text in value.split(",")]
    if not all(given):
        raise ValueError("texts separated by commas, auto among them or not, or none")
    codes = [MISSING if text == AUTO else (text,) for text in given]
    return tuple(dict.fromkeys(("", *chain.from_iterable(codes))))


def convert_options(
    types: Mapping[str, pa.DataType], rules: TextRules, only: Sequence[str] | None = None
) -> Any:
    """Make Arrow's CSV reader apply these rules: it may refuse numbers, but accepts no others."""
    return pa.csv.ConvertOptions(
        column_types=dict(types),
        include_columns=only,
        null_values=rules.missing,
        decimal_point=rules.decimal,
        strings_can_be_null=False,
    )


# --- numbers ---------------------------------------------------------------------------------


def holds_numbers(kind: pa.DataType) -> bool:
    """Tell whether a column of this type may hold numbers: text may, a date may not."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    allowed = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, is_text, is_span)
    return any(is_kind(kind) for is_kind in (*allowed, pa.types.is_boolean, pa.types.is_null))


def is_span(kind: pa.DataType) -> bool:
    """Tell whether a type is that of durations or times of day, whose numbers are seconds."""
    return bool(pa.types.is_duration(kind) or pa.types.is_time(kind))


def numbers(
    column: pa.Array | pa.ChunkedArray, name: str, rules: TextRules = DEFAULT
) -> tuple[np.ndarray, dict[int, str]]:
    """Turn a column of any type that `holds_numbers` into float64, NaN where missing.

    Values that are not numbers, or too large for the forest, are returned separately: their
    position and what is wrong.
    """
    if is_text(column.type):
        return _from_text(column, name, rules)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    floats = without_codes(as_floats(column), rules)
    if fits(floats):
        return floats, {}
    too_large = np.flatnonzero(np.abs(floats) > LARGEST)
    return floats, {int(row): _too_large(name, floats[row]) for row in too_large}


def without_codes(floats: np.ndarray, rules: TextRules) -> np.ndarray:
    """Replace numbers that stand for a missing value (-999, say) with NaN."""
    if not rules.missing_numbers:
        return floats
    return np.where(np.isin(floats, rules.missing_numbers), np.nan, floats)


def fits(column: np.ndarray) -> bool:
    """Tell whether no value of a float column is infinite or too large for the forest."""
    if not len(column):
        return True
    # fmin and fmax skip NaN; if all values are missing they give NaN, which compares as False.
    return not (np.fmax.reduce(column) > LARGEST or np.fmin.reduce(column) < -LARGEST)


def _from_text(
    column: pa.Array | pa.ChunkedArray, name: str, rules: TextRules
) -> tuple[np.ndarray, dict[int, str]]:
    # A column that needs this path usually has far fewer distinct texts than rows.
    codes, texts = encode(column)
    floats, wrong = number_texts(texts, name, rules)
    floats = np.append(floats, np.nan)[codes]
    if not wrong:
        return floats, {}
    rows = np.flatnonzero(np.isin(codes, list(wrong)))
    return floats, {int(row): wrong[codes[row]] for row in rows}


def number_texts(texts: pa.Array, name: str, rules: TextRules) -> tuple[np.ndarray, dict[int, str]]:
    """Turn trimmed texts into float64, as `numbers` does."""
    try:
        if rules.decimal == ".":
            present = pc.if_else(pc.is_in(texts, pa.array(rules.missing)), None, texts)
            floats = without_codes(as_floats(present.cast(pa.float64())), rules)
            if fits(floats):
                return floats, {}
    except pa.ArrowInvalid:
        # Some value is not a number to Arrow: look at each.
        pass
    listed = [text or "" for text in texts.to_pylist()]
    floats, wrong = parse_numbers(listed, frozenset(rules.missing), rules.decimal)
    floats = without_codes(floats, rules)
    reasons = {
        position: _too_large(name, short(listed[position]))
        if is_number
        else f"expected a number in column {name}, found {short(listed[position])!r}"
        for position, is_number in wrong.items()
        if not (is_number and np.isnan(floats[position]))
    }
    return floats, reasons


def _too_large(name: str, value: object) -> str:
    return f"expected a finite number up to {LARGEST:.2g} in column {name}, found {value}"


def as_floats(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Turn a column of numbers, booleans, durations or times of day into float64, NaN for null."""
    floats: np.ndarray
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        # numpy converts whole numbers four times as fast as Arrow does.
        arguments = {"zero_copy_only": False} if isinstance(column, pa.Array) else {}
        floats = column.to_numpy(**arguments).astype(np.float64, copy=False)
    elif is_span(column.type):
        whole = pa.int32() if pa.types.is_time32(column.type) else pa.int64()
        floats = as_floats(column.cast(whole)) / _PER_SECOND[column.type.unit]
    else:
        floats = as_floats(column.cast(pa.float64(), safe=False))
    return floats


# --- labels ----------------------------------------------------------------------------------


def label_texts(values: pa.Array | pa.ChunkedArray, kind: type) -> pa.Array | pa.ChunkedArray:
    """Spell each label of a kind (bool, int or str) uniformly; null for anything else."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if kind is int and pa.types.is_integer(values.type):
        return values.cast(pa.string())
    try:
        texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # A list, or bytes that are no text.
        nothing = pa.nulls(len(values), pa.string())
        return pa.chunked_array([nothing]) if isinstance(values, pa.ChunkedArray) else nothing
    if kind is bool:
        is_label = pc.is_in(texts, pa.array(list(BOOLEANS)))
        return pc.if_else(is_label, pc.ascii_lower(texts), None)
    if kind is int:
        digits = pc.replace_substring_regex(texts, r"^\+|\.0*$", "")
        whole = pc.if_else(pc.match_substring_regex(texts, _WHOLE), digits, None)
        return whole.cast(pa.int64()).cast(pa.string())
    return pc.if_else(pc.equal(texts, ""), None, texts)


def class_of(values: pa.Array | pa.ChunkedArray, classes: tuple[Label, ...]) -> np.ndarray:
    """Find the position of each value's class, -1 for anything else (a missing one, say)."""
    texts = label_texts(values, type(classes[0]))
    spelled = [spell(label) for label in classes]
    positions = pc.fill_null(pc.index_in(texts, value_set=pa.array(spelled)), -1)
    classes_of: np.ndarray = positions.to_numpy().astype(np.int16)
    return classes_of


def spell(label: Label) -> str:
    """Write a label as `label_texts` does."""
    return str(label).lower() if isinstance(label, bool) else str(label).strip()


def infer_labels(texts: pa.ChunkedArray, rules: TextRules = DEFAULT) -> pa.ChunkedArray:
    """Turn the texts of a target into booleans, whole numbers, numbers or trimmed text.

    All texts that are not missing decide the type. In a text target only blank cells are missing,
    since NA may well be a class.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = pc.is_in(trimmed, pa.array(rules.missing))
    for kind, type_ in ((bool, pa.bool_()), (int, pa.int64())):
        labels = label_texts(trimmed, kind)
        if pc.all(pc.or_(missing, pc.is_valid(labels))).as_py():
            return pc.if_else(missing, None, labels).cast(type_)
    floats, wrong = _from_text(trimmed, "", rules)
    return (
        label_texts(trimmed, str)
        if wrong
        else pa.chunked_array([pa.array(floats, from_pandas=True)])
    )
