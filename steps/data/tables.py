"""Reading a table and checking that it can be trained on."""

from __future__ import annotations

import difflib
import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from steps.base.errors import StepError, first_line
from steps.data import values
from steps.data.csv_text import LONGEST_ROW, read_header
from steps.data.schema import Label, Schema
from steps.data.values import TextRules

PARQUET_SUFFIXES = (".parquet", ".pq")
CSV_DELIMITERS = ",;\t|"
MOST_NAMES = 20


def read_table(
    path: Path,
    delimiter: str,
    target: str,
    name: str | None = None,
    rules: TextRules = values.DEFAULT,
) -> pa.Table:
    """Read a CSV (also .csv.gz) or Parquet file; `name` is what messages call it.

    Of a CSV, the target has the type of its labels, and other columns are float64, or all are
    text if one of them holds something else.
    """
    shown = name or str(path)
    if path.stat().st_size == 0:
        raise StepError(f"expected a table in {shown}, found an empty file")
    if path.suffix.lower() in PARQUET_SUFFIXES:
        table = _read_parquet(path, shown)
    else:
        table = _read_csv(path, delimiter, target, shown, rules)
    if table.num_rows == 0:
        raise StepError(f"expected rows in {shown}, found a header only")
    return table


def _read_parquet(path: Path, shown: str) -> pa.Table:
    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise StepError(
            f"expected a Parquet file in {shown}, found: {first_line(error)}"
        ) from error
    check_columns(table.column_names, shown)
    return table


def _read_csv(path: Path, delimiter: str, target: str, shown: str, rules: TextRules) -> pa.Table:
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rb") as file:
            columns = read_header(file.read, delimiter, shown).columns
    except OSError as error:
        raise StepError(f"could not read {shown}: {first_line(error)}") from error
    check_header(columns, delimiter, shown)
    fast = dict.fromkeys(columns, pa.float64()) | {target: pa.string()}
    try:
        table = _parse(path, delimiter, fast, rules, 1 << 20)
    except (pa.ArrowException, OSError):
        # Some value is not a number to Arrow, or is text of several lines, or all is lost.
        try:
            table = _parse(path, delimiter, dict.fromkeys(columns, pa.string()), rules, LONGEST_ROW)
        except (pa.ArrowException, OSError) as error:
            raise StepError(_unreadable(shown, first_line(error))) from error
    if target not in columns:
        return table
    labels = values.infer_labels(table.column(target), rules)
    return table.set_column(columns.index(target), target, labels)


def _parse(
    path: Path, delimiter: str, types: dict[str, pa.DataType], rules: TextRules, block: int
) -> pa.Table:
    return pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=block),
        # Blocks that may be cut anywhere are parsed side by side.
        parse_options=pa.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=block == LONGEST_ROW
        ),
        convert_options=values.convert_options(types, rules),
    )


def _unreadable(shown: str, reason: str) -> str:
    if "UTF8" in reason:
        return f"expected UTF-8 text in {shown}, found: {reason}"
    if "straddling" in reason:
        return (
            f"expected rows of at most {LONGEST_ROW >> 20} MiB in {shown}, found a longer one; is "
            "a quote never closed?"
        )
    return f"could not read {shown}: {reason}"


def check_header(header: Sequence[str], delimiter: str, shown: str) -> None:
    """Raise a StepError if the names are not different, or seem to have another delimiter."""
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
    alike = difflib.get_close_matches(missing[0], list(present), n=1, cutoff=0.6)
    hint = f"did you mean {alike[0]}?" if alike else f"the columns are: {shortened(present)}"
    raise StepError(f"{what}: expected column {shortened(missing)}, not found; {hint}")


def as_training_table(
    table: pa.Table,
    target: str,
    zero_as_missing: Sequence[str],
    delimiter: str,
    rules: TextRules = values.DEFAULT,
) -> tuple[pd.DataFrame, Schema]:
    """Check a table as it was read and give it the types that training needs.

    Returns the table with float64 features in their order, then the target (int64, bool or
    str), and its schema.
    """
    require_columns([target], table.column_names, "parameter target")
    features = [name for name in table.column_names if name != target]
    if not features:
        raise StepError(f"expected feature columns beside the target {target}, found none")
    require_columns(
        zero_as_missing, features, "parameter zero_as_missing (none if there is no such column)"
    )
    labels, classes = _target(table.column(target), target)
    columns = {name: _numbers(table.column(name), name, rules) for name in features}
    frame = pd.DataFrame(columns | {target: labels})
    schema = Schema(tuple(features), target, classes, tuple(zero_as_missing), delimiter)
    return frame, schema


def _numbers(column: pa.ChunkedArray, name: str, rules: TextRules) -> np.ndarray:
    if not values.holds_numbers(column.type):
        raise StepError(
            f"expected numbers in column {name}, found {column.type}; leave the column out or "
            "turn it into numbers"
        )
    floats, wrong = values.numbers(column, name, rules)
    if wrong:
        row = min(wrong)
        raise StepError(
            f"{wrong[row]} in data row {row + 1}; leave the column out or turn it into numbers"
        )
    return floats


def _target(column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, tuple[Label, ...]]:
    labels = _labels(column, name)
    classes = sorted(set(labels.tolist()))
    if len(classes) != 2:
        some = ", ".join(str(label) for label in classes[:5]) + (" …" if len(classes) > 5 else "")
        raise StepError(f"expected two classes in target {name}, found {len(classes)}: {some}")
    return labels, (classes[0], classes[1])


def _labels(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Turn a target column into int64, bool or str labels; a missing one is refused."""
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    labels = column if is_number or pa.types.is_boolean(kind) else values.label_texts(column, str)
    missing = labels.is_null(nan_is_null=True).to_numpy()
    if missing.any():
        raise StepError(
            f"expected a class in each row of target {name}, found {int(missing.sum())} "
            f"without one (the first is data row {int(np.argmax(missing)) + 1})"
        )
    if not is_number and not pa.types.is_boolean(kind):
        # Text is a column of objects to pandas, whatever its version.
        return np.asarray(labels.to_pylist(), dtype=object)
    floats: np.ndarray = labels.to_numpy()
    if not pa.types.is_floating(kind):
        return floats.astype("int64") if is_number else floats
    # Beyond 2**53 a float is no exact whole number.
    whole = (floats == np.round(floats)) & (np.abs(floats) < 2**53)
    if not whole.all():
        raise StepError(
            f"expected two classes in target {name}, found numbers such as {floats[~whole][0]}"
        )
    return floats.astype("int64")


def delimiter(value: str) -> str:
    """Read the parameter `delimiter`: one ASCII character, or the word tab."""
    character = {"tab": "\t", "\\t": "\t"}.get(value.lower(), value)
    if len(character) != 1 or character in '\r\n"\0' or not character.isascii():
        raise ValueError("one ASCII character, or tab")
    return character
