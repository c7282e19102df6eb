"""The text of cells: the distinct texts of a column, and the numbers that they spell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# The forest computes in float32 and rejects larger numbers.
LARGEST = float(np.finfo(np.float32).max)
BOOLEANS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
# What may stand before a number and after it, for Python and for Arrow: a currency's sign, or %.
_CURRENCIES, _SPACE = "$\u00a2-\u00a5\u0e3f\u20a0-\u20cf", "[ \u00a0\u202f]?"
BEFORE, AFTER = f"([{_CURRENCIES}]{_SPACE})?", f"({_SPACE}[%{_CURRENCIES}])?"
# What may stand between groups of three digits, by the decimal mark.
_SEPARATORS = {".": "[,'\u2019 \u00a0\u202f]", ",": "[.'\u2019 \u00a0\u202f]"}


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column of this type holds text (a dictionary of texts does too)."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def encode(column: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Return the position of each row's text among the distinct trimmed texts, and those texts.

    A null has position -1. The distinct texts are in order of first appearance.
    """
    column = as_dictionary(column)
    codes = pc.fill_null(column.indices.cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
    trimmed = pc.utf8_trim_whitespace(column.dictionary.cast(pa.string())).dictionary_encode()
    # A text that stands for nothing is missing: the last position is that of a null.
    position = pc.fill_null(trimmed.indices, -1).to_numpy(zero_copy_only=False)
    return np.append(position, np.int32(-1))[codes], trimmed.dictionary


def as_dictionary(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Give a column of text, or of a dictionary type, as one array with one dictionary."""
    if pa.types.is_dictionary(column.type):
        if isinstance(column, pa.Array):
            return column
        # Unifying reads every dictionary, even if they are all the same.
        chunks = column.chunks if column.num_chunks < 2 else column.unify_dictionaries().chunks
        return _as_one(chunks, column.type)
    column = column.cast(pa.large_string())
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return _as_one(chunks, column.type).dictionary_encode()


def _as_one(chunks: list[pa.Array], kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays(chunks) if chunks else pa.array([], kind)


def parse_numbers(
    texts: Sequence[str], missing: frozenset[str], decimal: str = "."
) -> tuple[np.ndarray, dict[int, bool]]:
    """Turn texts into float64, NaN where missing.

    Texts that are not numbers, or too large for the forest, are returned separately: their
    position, and whether they are numbers at all.
    """
    floats = np.full(len(texts), np.nan)
    wrong: dict[int, bool] = {}
    for position, text in enumerate(texts):
        if not text or text in missing or _NAN.fullmatch(text):
            continue
        if text in BOOLEANS:
            floats[position] = BOOLEANS[text]
        elif plain := as_plain_number(text, decimal):
            floats[position] = float(plain)
            if abs(floats[position]) > LARGEST:
                wrong[position] = True
        else:
            wrong[position] = False
    return floats, wrong


def as_plain_number(text: str, decimal: str) -> str:
    """Write a number as Python does; "" if it is not a number.

    Thousands separators go, and so does the sign of a currency or a per cent: 12% is 12.
    """
    match = _number(decimal).fullmatch(text)
    if match is None:
        return text if _INFINITE.fullmatch(text) else ""
    plain = match["sign"] + match["digits"]
    if separator := match["separator"]:
        plain = plain.replace(separator, "")
    return plain.replace(",", ".") if decimal == "," else plain


def short(text: str) -> str:
    """Shorten a text that is too long for a message."""
    return text if len(text) <= 40 else text[:39] + "…"


@lru_cache(maxsize=2)
def _number(decimal: str) -> re.Pattern[str]:
    mark = re.escape(decimal)
    # A group of thousands does not begin with 0: 0,125 is a decimal comma.
    grouped = rf"[1-9]\d{{0,2}}(?P<separator>{_SEPARATORS[decimal]})\d{{3}}((?P=separator)\d{{3}})*"
    digits = rf"(\d+{mark}?\d*|{mark}\d+|{grouped}({mark}\d*)?)(e[+-]?\d+)?"
    return re.compile(
        rf"(?P<sign>[+-]?){BEFORE}(?P<digits>{digits}){AFTER}",
        re.ASCII | re.IGNORECASE,
    )
