"""Dates and times, and the numbers that a model gets instead of them.

Text is a date if it is ISO 8601 (`2026-01-31`, `2026-01-31 14:05:09.5+02:00`). Times are local
wall-clock times: offsets are dropped, so text and Arrow's types with a zone agree.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError
from steps.data.texts import encode, is_text, short
from steps.data.values import DEFAULT, TextRules

# Days since 1970 with their fraction; month 1 to 12; weekday 0 (Monday) to 6; hour 0 to 23.
PARTS = ("days", "month", "weekday", "hour")
TIME = pa.timestamp("us")
_DAY = 86_400_000_000
_OFFSET = r"(\d\d:\d\d(:\d\d(\.\d{1,6})?)?)\d* ?(Z|z|UTC|[+-]\d\d(:?\d\d)?)?$"
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"


def holds_dates(kind: pa.DataType) -> bool:
    """Tell whether a column of this type may hold dates: text may."""
    return is_text(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def read_dates(
    column: pa.Array | pa.ChunkedArray, name: str, rules: TextRules = DEFAULT
) -> tuple[pa.Array, dict[int, str]]:
    """Turn a column of a type that `holds_dates` into timestamps, null where missing.

    Values that are not dates are returned separately, by position, with what is wrong.
    """
    if not is_text(column.type):
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            column = _local(column, name)
        return column.cast(TIME, safe=False), {}
    codes, texts = encode(column)
    times, wrong = date_texts(texts, name, rules)
    taken = times.take(pa.array(codes, mask=codes < 0))
    rows = np.flatnonzero(np.isin(codes, list(wrong)))
    return taken, {int(row): wrong[codes[row]] for row in rows}


def _local(column: pa.Array, name: str) -> pa.Array:
    try:
        return pc.local_timestamp(column)
    except pa.ArrowInvalid as error:
        raise StepError(
            f"expected times of a known zone in column {name}, found {column.type.tz!r}; write "
            "them in UTC, or without a zone"
        ) from error


def date_texts(texts: pa.Array, name: str, rules: TextRules) -> tuple[pa.Array, dict[int, str]]:
    """Turn trimmed texts into timestamps, as `read_dates` does."""
    local = pc.replace_substring_regex(texts, _OFFSET, r"\1")
    missing = pc.is_in(texts, pa.array(rules.missing))
    is_date = pc.and_not(pc.match_substring_regex(local, _ISO), missing)
    candidates = pc.if_else(is_date, local, None)
    try:
        times = candidates.cast(TIME)
    except pa.ArrowInvalid:
        # The 30th of February, say.
        times = pa.array([_time(text) for text in candidates.to_pylist()], TIME)
    bad = np.flatnonzero(pc.and_not(pc.is_null(times), missing).to_numpy(zero_copy_only=False))
    return times, {
        int(position): f"expected a date such as 2026-01-31 in column {name}, found "
        f"{short(texts[int(position)].as_py())!r}"
        for position in bad
    }


def _time(text: str | None) -> object:
    try:
        return pa.scalar(text).cast(TIME).as_py() if text is not None else None
    except (pa.ArrowInvalid, ValueError, OverflowError):
        return None


def part(times: pa.Array, name: str) -> np.ndarray:
    """Return one of the `PARTS` of timestamps as float64, NaN where missing."""
    if name == "days":
        numbers = times.cast(pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
        days: np.ndarray = numbers / _DAY
        return days
    calendar = {"month": pc.month, "weekday": pc.day_of_week, "hour": pc.hour}[name]
    floats: np.ndarray = calendar(times).to_numpy(zero_copy_only=False).astype(np.float64)
    return floats


def useful_parts(times: pa.Array) -> tuple[str, ...]:
    """Name the parts that vary between rows; the hour only if there are times."""
    has_times = bool(np.any(np.nan_to_num(part(times, "days")) % 1))
    return tuple(
        name
        for name in PARTS
        if (name != "hour" or has_times) and len(np.unique(part(times, name))) > 1
    )
