"""Reading a table, and checks of its column names."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from steps.base.errors import StepError, first_line
from steps.base.parsers import AUTO
from steps.data.csv_reading import CSV_DELIMITERS, Asked, Text, read_columns, read_start
from steps.data.plain_types import plain
from steps.data.values import TextRules

PARQUET_SUFFIXES = (".parquet", ".pq")
FEATHER_SUFFIXES = (".feather", ".arrow", ".ipc")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
# Formats that this project does not read, recognised by their suffix.
FOREIGN = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "a spreadsheet"),
    **dict.fromkeys((".sas7bdat", ".sav", ".dta"), "a file of another statistics program"),
    **dict.fromkeys((".rds", ".rdata", ".rda"), "a file of R"),
    **dict.fromkeys((".pkl", ".pickle"), "a pickle, which is not safe to read"),
    **dict.fromkeys((".arff", ".xml", ".html"), "a text that is no CSV"),
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"), "an image"
    ),
    **dict.fromkeys((".7z", ".rar", ".tar", ".tgz"), "an archive"),
}
MOST_NAMES = 20


def read_table(
    path: Path, asked: Asked, target: str, name: str | None = None
) -> tuple[pa.Table, Text]:
    """Read a table in the format that its suffix shows; `name` is what messages call it.

    From CSV, columns of numbers become float64, the target gets the type of its labels, and all
    others stay text. Returns the table, and how its text was read.
    """
    shown = name or str(path)
    if path.stat().st_size == 0:
        raise StepError(f"expected a table in {shown}, found an empty file")
    suffix = path.suffix.lower()
    if suffix in FOREIGN:
        raise StepError(
            f"expected CSV, Parquet, Feather, ORC or JSON lines in {shown}, found "
            f"{FOREIGN[suffix]}; save the table as CSV or Parquet"
        )
    if suffix in (*PARQUET_SUFFIXES, *FEATHER_SUFFIXES, *JSON_SUFFIXES, ".orc"):
        table, text = _read_typed(path, suffix, shown), Text(TextRules(asked.missing))
    else:
        start = read_start(path, asked, shown)
        check_header(start.columns, start.delimiter, shown)
        table, text = read_columns(path, start, asked, target, shown)
    if table.num_rows == 0:
        raise StepError(f"expected rows in {shown}, found a header only")
    return table, text


def _read_typed(path: Path, suffix: str, shown: str) -> pa.Table:
    what, read = _reader(suffix)
    try:
        if suffix in PARQUET_SUFFIXES:
            # Arrow's own words for repeated names do not say that they repeat.
            check_columns(pa.parquet.read_schema(path).names, shown)
        table = plain(read(path))
    except (pa.ArrowException, OSError) as error:
        raise StepError(f"expected {what} in {shown}, found: {first_line(error)}") from error
    check_columns(table.column_names, shown)
    return table


def _reader(suffix: str) -> tuple[str, Callable[[Path], Any]]:
    # Import each reader only for a file of its format.
    if suffix in PARQUET_SUFFIXES:
        return "a Parquet file", pa.parquet.read_table
    if suffix in FEATHER_SUFFIXES:
        from pyarrow import feather

        return "a Feather (Arrow) file", feather.read_table
    if suffix == ".orc":
        from pyarrow import orc

        return "an ORC file", orc.read_table
    from pyarrow import json

    return "one JSON object a line", json.read_json


def check_header(header: Sequence[str], delimiter: str, shown: str) -> None:
    """Raise a StepError if names are missing or repeat, or the delimiter seems wrong."""
    if not any(header):
        raise StepError(f"expected column names in the first line of {shown}, found none")
    check_columns(header, shown)
    others = [other for other in CSV_DELIMITERS if other != delimiter and other in header[0]]
    if len(header) == 1 and others:
        raise StepError(
            f"expected columns separated by {delimiter!r} in {shown}, found one column named "
            f"{header[0][:100]!r}; is the delimiter {others[0]!r}? (-P 'delimiter={others[0]}')"
        )


def check_columns(columns: Sequence[str], shown: str) -> None:
    """Raise a StepError if two columns have the same name."""
    repeated = sorted(name for name, count in Counter(columns).items() if count > 1)
    if repeated:
        raise StepError(
            f"expected different column names in {shown}, found more than once: "
            f"{shortened(repeated)}"
        )


def shortened(names: Sequence[str]) -> str:
    """List names, but not thousands of them."""
    more = len(names) - MOST_NAMES
    listed = ", ".join(names[:MOST_NAMES]) + (f" … and {more} more" if more > 0 else "")
    return listed if len(listed) <= 1000 else listed[:999] + "…"


def require_columns(wanted: Iterable[str], present: Sequence[str], what: str) -> None:
    """Raise a StepError if a wanted column is missing, naming columns that look alike."""
    there = set(present)
    missing = [name for name in wanted if name not in there]
    if not missing:
        return
    folded = missing[0].strip().casefold()
    alike = [name for name in present if name.strip().casefold() == folded]
    alike = alike or difflib.get_close_matches(missing[0], list(present), n=1, cutoff=0.6)
    hint = (
        f"did you mean {_shown(alike[0])}?" if alike else f"the columns are: {shortened(present)}"
    )
    raise StepError(f"{what}: expected column {shortened(missing)}, not found; {hint}")


def _shown(name: str) -> str:
    return name if name == name.strip() else repr(name)


def delimiter(value: str) -> str:
    """Read the parameter `delimiter`: one ASCII character, or the word tab."""
    character = {"tab": "\t", "\\t": "\t"}.get(value.lower(), value)
    if len(character) != 1 or character in '\r\n"\0' or not character.isascii():
        raise ValueError("one ASCII character, or tab")
    return character


def delimiter_or_auto(value: str) -> str | None:
    """Read a delimiter; None is `auto`."""
    return None if value == AUTO else delimiter(value)
