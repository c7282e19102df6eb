"""Reading a table and checking that it can be trained on."""

from __future__ import annotations

import csv
import difflib
import gzip
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from steps.base.errors import StepError
from steps.data.schema import Label, Schema

PARQUET_SUFFIXES = (".parquet", ".pq")
CSV_DELIMITERS = ",;\t|"


def read_table(path: Path, delimiter: str, name: str | None = None) -> pd.DataFrame:
    """Read a CSV (also .csv.gz) or Parquet file; `name` is what messages call it."""
    shown = name or str(path)
    if path.stat().st_size == 0:
        raise StepError(f"expected a table in {shown}, found an empty file")
    is_parquet = path.suffix.lower() in PARQUET_SUFFIXES
    table = _read_parquet(path, shown) if is_parquet else _read_csv(path, delimiter, shown)
    if table.num_rows == 0:
        raise StepError(f"expected rows in {shown}, found a header only")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read_parquet(path: Path, shown: str) -> pa.Table:
    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise StepError(f"expected a Parquet file in {shown}, found: {_first(error)}") from error
    check_columns(table.column_names, shown)
    return table


def _read_csv(path: Path, delimiter: str, shown: str) -> pa.Table:
    header = read_header(path, delimiter, shown)
    check_header(header, delimiter, shown)
    parsing = pa.csv.ParseOptions(delimiter=delimiter)
    try:
        return pa.csv.read_csv(path, parse_options=parsing)
    except (pa.ArrowException, OSError) as error:
        raise StepError(f"could not read {shown}: {_first(error)}") from error


def read_header(path: Path, delimiter: str, shown: str) -> list[str]:
    """Read the column names of a CSV file."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=delimiter), [])
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        raise StepError(f"expected UTF-8 text in {shown}, found: {_first(error)}") from error


def check_header(header: Sequence[str], delimiter: str, shown: str) -> None:
    """Raise a StepError if the names are not different, or seem to have another delimiter."""
    if not header:
        raise StepError(f"expected column names in the first line of {shown}, found none")
    check_columns(header, shown)
    found = [other for other in CSV_DELIMITERS if other != delimiter and other in header[0]]
    if len(header) == 1 and found:
        raise StepError(
            f"expected columns separated by {delimiter!r} in {shown}, found one column named "
            f"{header[0]!r}; is the delimiter {found[0]!r}? (-P 'delimiter={found[0]}')"
        )


def check_columns(columns: Sequence[str], shown: str) -> None:
    """Raise a StepError if two columns have the same name."""
    if len(set(columns)) == len(columns):
        return
    twice = sorted({name for name in columns if list(columns).count(name) > 1})
    raise StepError(
        f"expected different column names in {shown}, found more than once: {', '.join(twice)}"
    )


def _first(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def require_columns(wanted: Iterable[str], found: Sequence[str], what: str) -> None:
    """Raise a StepError if a wanted column is missing, naming columns that look alike."""
    missing = [name for name in wanted if name not in found]
    if not missing:
        return
    alike = difflib.get_close_matches(missing[0], list(found), n=1, cutoff=0.6)
    hint = f"did you mean {alike[0]}?" if alike else f"the columns are: {', '.join(found)}"
    raise StepError(f"{what}: expected column {', '.join(missing)}, not found; {hint}")


def prepare(
    frame: pd.DataFrame, target: str, zero_as_missing: Sequence[str], delimiter: str
) -> tuple[pd.DataFrame, Schema]:
    """Check a raw table and give it the types that training needs.

    Returns the table with float64 features in their order, then the target (int64, bool or
    str), and its schema.
    """
    require_columns([target], list(frame.columns), "parameter target")
    features = [str(name) for name in frame.columns if name != target]
    if not features:
        raise StepError(f"expected feature columns beside the target {target}, found none")
    require_columns(
        zero_as_missing, features, "parameter zero_as_missing (none if there is no such column)"
    )
    labels, classes = _target(frame[target])
    prepared = pd.DataFrame({name: numeric(frame[name], name) for name in features})
    prepared[target] = labels
    schema = Schema(tuple(features), target, classes, tuple(zero_as_missing), delimiter)
    return prepared, schema


def numeric(column: pd.Series, name: str) -> np.ndarray:
    """Turn a column into float64; missing values become NaN, infinite ones are refused."""
    if column.isna().all():
        return np.full(len(column), np.nan)
    values = column
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        values = pd.to_numeric(column, errors="coerce")
        bad = values.isna() & column.notna() & (column.astype(str).str.strip() != "")
        if bad.any() or not pd.api.types.is_object_dtype(column):
            row = int(np.argmax(bad.to_numpy()))
            raise StepError(
                f"expected numbers in column {name}, found {str(column.iloc[row])!r} in data row "
                f"{row + 1}; leave the column out or turn it into numbers"
            )
    floats = values.to_numpy(dtype="float64", na_value=np.nan)
    infinite = np.isinf(floats)
    if infinite.any():
        raise StepError(
            f"expected finite numbers in column {name}, found {floats[infinite][0]} in data row "
            f"{int(np.argmax(infinite)) + 1}"
        )
    return floats


def _target(column: pd.Series) -> tuple[np.ndarray, tuple[Label, Label]]:
    labels = as_labels(column)
    classes = sorted(set(labels.tolist()))
    if len(classes) != 2:
        found = ", ".join(str(label) for label in classes[:5]) + (" …" if len(classes) > 5 else "")
        raise StepError(
            f"expected two classes in target {column.name}, found {len(classes)}: {found}"
        )
    return labels, (classes[0], classes[1])


def as_labels(column: pd.Series) -> np.ndarray:
    """Turn a target column into int64, bool or str labels; a missing one is refused."""
    missing = column.isna().to_numpy()
    if column.dtype == object:
        missing |= (column.astype(str).str.strip() == "").to_numpy()
    if missing.any():
        raise StepError(
            f"expected a class in each row of target {column.name}, found {int(missing.sum())} "
            f"without one (the first is data row {int(np.argmax(missing)) + 1})"
        )
    values = column.to_numpy()
    if values.dtype == bool or np.issubdtype(values.dtype, np.integer):
        return values if values.dtype == bool else values.astype("int64")
    if np.issubdtype(values.dtype, np.floating):
        # Beyond 2**53 a float is no exact whole number.
        whole = (values == np.round(values)) & (np.abs(values) < 2**53)
        if not whole.all():
            raise StepError(
                f"expected two classes in target {column.name}, found numbers such as "
                f"{values[~whole][0]}"
            )
        return values.astype("int64")
    if all(isinstance(value, bool) for value in values):
        return values.astype(bool)
    return np.array([str(value) for value in values], dtype=object)


def delimiter(value: str) -> str:
    """Read the parameter `delimiter`: one ASCII character, or the word tab."""
    found = {"tab": "\t", "\\t": "\t"}.get(value.lower(), value)
    if len(found) != 1 or found in '\r\n"\0' or not found.isascii():
        raise ValueError("one ASCII character, or tab")
    return found
