"""What is a number, a missing value and a label: one reading of each, for training and scoring."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

if TYPE_CHECKING:
    from steps.data.schema import Label

# The forest computes in float32: what does not fit there is no number to it.
LARGEST = float(np.finfo(np.float32).max)
# What pandas and Arrow take for a missing value.
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
BOOLEANS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
# As many digits as always fit into 64 bits; pandas writes whole numbers with .0 where some are
# missing.
_WHOLE = r"^[+-]?\d{1,18}(\.0*)?$"


@dataclass(frozen=True)
class TextRules:
    """How the text of a cell is read, after white space around it is taken away.

    `missing` are the texts that stand for a missing value.
    """

    missing: tuple[str, ...] = MISSING

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TextRules:
        """Build the rules from what `dataclasses.asdict` or its JSON text gives."""
        return cls(missing=tuple(content["missing"]))


DEFAULT = TextRules()


def convert_options(
    types: Mapping[str, pa.DataType], rules: TextRules, only: Sequence[str] | None = None
) -> Any:
    """Let Arrow's CSV reader apply these rules: it refuses some numbers, but takes no others."""
    return pa.csv.ConvertOptions(
        column_types=dict(types),
        include_columns=only,
        null_values=rules.missing,
        strings_can_be_null=False,
    )


# --- numbers ---------------------------------------------------------------------------------


def holds_numbers(kind: pa.DataType) -> bool:
    """Tell whether a column of this type may hold numbers: text may, a date may not."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    allowed = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, _is_text)
    return any(is_kind(kind) for is_kind in (*allowed, pa.types.is_boolean, pa.types.is_null))


def numbers(
    column: pa.Array | pa.ChunkedArray, name: str, rules: TextRules = DEFAULT
) -> tuple[np.ndarray, dict[int, str]]:
    """Turn a column of any type that `holds_numbers` into float64, NaN where missing.

    What is not a number that the forest can take is returned apart: its position and what is
    wrong with it.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if _is_text(column.type):
        return _from_text(column, name, rules)
    floats = _as_floats(column)
    if fits(floats):
        return floats, {}
    too_large = np.flatnonzero(np.abs(floats) > LARGEST)
    return floats, {int(row): _too_large(name, floats[row]) for row in too_large}


def fits(column: np.ndarray) -> bool:
    """Tell whether no value of a float column is infinite or too large for the forest."""
    if not len(column):
        return True
    # fmin and fmax leave NaN out; comparing NaN (nothing but missing values) is False.
    return not (np.fmax.reduce(column) > LARGEST or np.fmin.reduce(column) < -LARGEST)


def _from_text(
    column: pa.Array | pa.ChunkedArray, name: str, rules: TextRules
) -> tuple[np.ndarray, dict[int, str]]:
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    try:
        floats = _as_floats(
            pc.if_else(pc.is_in(texts, pa.array(rules.missing)), None, texts).cast(pa.float64())
        )
        if fits(floats):
            return floats, {}
    except pa.ArrowInvalid:
        # Some value is not a number to Arrow: look at each.
        pass
    return _one_by_one([text or "" for text in texts.to_pylist()], name, frozenset(rules.missing))


def _one_by_one(
    texts: Sequence[str], name: str, missing: frozenset[str]
) -> tuple[np.ndarray, dict[int, str]]:
    floats = np.full(len(texts), np.nan)
    wrong: dict[int, str] = {}
    for position, text in enumerate(texts):
        if not text or text in missing or _NAN.fullmatch(text):
            continue
        if text in BOOLEANS:
            floats[position] = BOOLEANS[text]
            continue
        if not _NUMBER.fullmatch(text) and not _INFINITE.fullmatch(text):
            wrong[position] = f"expected a number in column {name}, found {_short(text)!r}"
            continue
        floats[position] = float(text)
        if abs(floats[position]) > LARGEST:
            wrong[position] = _too_large(name, _short(text))
    return floats, wrong


def _too_large(name: str, value: object) -> str:
    return f"expected a finite number up to {LARGEST:.2g} in column {name}, found {value}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _as_floats(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    floats: np.ndarray
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        # numpy converts whole numbers four times as fast as Arrow does.
        arguments = {"zero_copy_only": False} if isinstance(column, pa.Array) else {}
        floats = column.to_numpy(**arguments).astype(np.float64, copy=False)
    else:
        floats = _as_floats(column.cast(pa.float64(), safe=False))
    return floats


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


# --- labels ----------------------------------------------------------------------------------


def label_texts(values: pa.Array | pa.ChunkedArray, kind: type) -> pa.Array | pa.ChunkedArray:
    """Spell each label of a kind (bool, int or str) in one way; null for anything else."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if kind is int and pa.types.is_integer(values.type):
        return values.cast(pa.string())
    try:
        texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # A list, or bytes that are no text.
        return pa.nulls(len(values), pa.string())
    if kind is bool:
        is_label = pc.is_in(texts, pa.array(list(BOOLEANS)))
        return pc.if_else(is_label, pc.ascii_lower(texts), None)
    if kind is int:
        digits = pc.replace_substring_regex(texts, r"^\+|\.0*$", "")
        whole = pc.if_else(pc.match_substring_regex(texts, _WHOLE), digits, None)
        return whole.cast(pa.int64()).cast(pa.string())
    return pc.if_else(pc.equal(texts, ""), None, texts)


def class_of(values: pa.Array | pa.ChunkedArray, classes: tuple[Label, ...]) -> np.ndarray:
    """Find the class of each value: 0 or 1, -1 for anything else (a missing one, say)."""
    texts = label_texts(values, type(classes[0]))
    spelled = [_spell(label) for label in classes]
    positions = pc.fill_null(pc.index_in(texts, value_set=pa.array(spelled)), -1)
    classes_of: np.ndarray = positions.to_numpy().astype(np.int8)
    return classes_of


def _spell(label: Label) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label).strip()


def infer_labels(texts: pa.ChunkedArray, rules: TextRules = DEFAULT) -> pa.ChunkedArray:
    """Turn the texts of a target into booleans, whole numbers, numbers or trimmed text.

    They are what all texts but the missing ones are. In a target of text only a blank one is
    missing: NA may well be a class.
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
