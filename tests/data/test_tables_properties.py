"""Any bytes at all are a table or a one-line error, never a traceback."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.base.errors import StepError
from steps.data.preparation import split_table
from steps.data.prepared_files import write_split
from steps.data.schema import Schema
from steps.data.texts import LARGEST
from tests.data.tables import prepared

CELL = st.one_of(
    st.sampled_from(["", "0", "1", "a", "b", "-1.5", "1e400", "nan", "inf", "NULL", " 2 ", "=1+1"]),
    st.sampled_from(
        ["true", "False", '"q"', '"', "2026-01-02", "12:30", "é", "\u2028", "+1", "@x"]
    ),
    st.text(max_size=5),
)
ROWS = st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=12)
DELIMITER = st.sampled_from(",;\t|")


def attempt(content: bytes, suffix: str, delimiter: str, target: str) -> None:
    """Do what preprocess does; only a StepError of one line may come out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        path.write_bytes(content)
        try:
            made = prepared(path, target, {"delimiter": delimiter})
            parts = split_table(made, 0.5, 0)
            files = write_split(
                parts.train, parts.test, parts.schema, parts.decisions, Path(folder)
            )
        except StepError:
            return
        assert len(parts.train) + len(parts.test) == len(made.table)
        assert Schema.from_json(files[2].read_text(encoding="utf-8")) == parts.schema


@given(ROWS, DELIMITER, DELIMITER)
@settings(max_examples=300, deadline=None)
def test_any_csv(rows: list[list[str]], written: str, read: str) -> None:
    text = "\n".join(written.join(row) for row in [["x", "y"], *rows])
    attempt(text.encode(errors="surrogatepass"), ".csv", read, "y")


@given(st.binary(max_size=300), st.sampled_from([".csv", ".csv.gz", ".parquet"]))
@settings(max_examples=200, deadline=None)
def test_any_bytes(content: bytes, suffix: str) -> None:
    attempt(content, suffix, ",", "y")


@given(
    st.lists(st.just(np.nan) | st.floats(-LARGEST, LARGEST), min_size=8, max_size=30),
    st.sampled_from([(0, 1), (False, True), ("no", "yes"), (1, 2)]),
    DELIMITER,
)
@settings(max_examples=100, deadline=None)
def test_a_good_csv_reads_as_pandas_reads_it(
    values: list[float], classes: tuple[object, object], delimiter: str
) -> None:
    target = [classes[position % 2] for position in range(len(values))]
    written = pd.DataFrame(
        {"x": values, "z": [float(row % 3) for row in range(len(values))], "y": target}
    )
    text = written.to_csv(index=False, sep=delimiter)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text, encoding="utf-8")
        made = prepared(path)
    expected = pd.read_csv(io.StringIO(text), sep=delimiter, float_precision="round_trip")
    if "x" in made.schema.features:
        read = made.table["x"].to_numpy()
        assert np.array_equal(read, expected["x"].astype("float64"), equal_nan=True)
    else:
        assert expected["x"].nunique() < 2
    assert made.schema.classes == classes
    assert made.table["y"].to_pylist() == target


def test_cells_that_a_spreadsheet_would_run_are_text_here(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,=1+1\n2,@a\n3,=1+1\n4,@a\n")
    assert prepared(path).schema.classes == ("=1+1", "@a")


def test_a_sign_does_not_make_text(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n-1,0\n+2,1\n")
    assert prepared(path).table["x"].to_pylist() == [-1.0, 2.0]
