"""Text that stands for a number, a missing value, or neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# The forest computes in float32: what does not fit there is no number to it.
LARGEST = float(np.finfo(np.float32).max)


# What pandas and Arrow take for a missing value.
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
_MISSING = frozenset(MISSING)
# A column of these is read as numbers in training too.
_BOOLEANS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)


def from_text(column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, dict[int, str]]:
    """Turn a column of text (or of its bytes) into float64, as `parse` does but faster."""
    try:
        texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
        floats = as_floats(pc.if_else(pc.is_in(texts, pa.array(MISSING)), None, texts))
        if fits(floats):
            return floats, {}
    except pa.ArrowInvalid:
        # Some value is not a number, or not even text: look at each.
        pass
    return parse([_text(value) for value in column.to_pylist()], name)


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value or ""


def parse(texts: Sequence[str], name: str) -> tuple[np.ndarray, dict[int, str]]:
    """Turn the texts of column `name` into float64, NaN where missing.

    What is not a number that the forest can take is returned apart: its position and what is
    wrong with it.
    """
    floats = np.full(len(texts), np.nan)
    wrong: dict[int, str] = {}
    for position, given in enumerate(texts):
        text = given.strip()
        if text in _MISSING or _NAN.fullmatch(text):
            continue
        if text in _BOOLEANS:
            floats[position] = _BOOLEANS[text]
            continue
        if not _NUMBER.fullmatch(text) and not _INFINITE.fullmatch(text):
            wrong[position] = f"expected a number in column {name}, found {_short(text)!r}"
            continue
        floats[position] = float(text)
        if abs(floats[position]) > LARGEST:
            wrong[position] = too_large(name, text)
    return floats, wrong


def too_large(name: str, value: object) -> str:
    """Say what is wrong with an infinite value or one beyond float32."""
    return f"expected a finite number up to {LARGEST:.2g} in column {name}, found {value}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def fits(column: np.ndarray) -> bool:
    """Tell whether no value of a float column is infinite or too large for the forest."""
    if not len(column):
        return True
    # fmin and fmax leave NaN out; comparing NaN (nothing but missing values) is False.
    return not (np.fmax.reduce(column) > LARGEST or np.fmin.reduce(column) < -LARGEST)


def as_floats(column: Any) -> np.ndarray:
    """Turn an Arrow number column into float64, NaN where null."""
    floats: np.ndarray
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        # numpy converts whole numbers four times as fast as Arrow does.
        floats = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    else:
        floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return floats
