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
from steps.data import tables
from steps.data.split import split
from steps.data.values import LARGEST

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
            raw = tables.read_table(path, delimiter, target, "table")
            frame, schema = tables.as_training_table(raw, target, (), delimiter)
            train, test = split(frame, schema, 0.5, 0)
        except StepError:
            return
        assert len(train) + len(test) == len(frame)


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
    written = pd.DataFrame({"x": values, "z": 1.0, "y": target})
    text = written.to_csv(index=False, sep=delimiter)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text, encoding="utf-8")
        frame, schema = tables.as_training_table(
            tables.read_table(path, delimiter, "y"), "y", (), delimiter
        )
    expected = pd.read_csv(io.StringIO(text), sep=delimiter, float_precision="round_trip")
    assert np.array_equal(frame["x"], expected["x"].astype("float64"), equal_nan=True)
    assert schema.classes == classes
    assert frame["y"].tolist() == target


def test_cells_that_a_spreadsheet_would_run_are_text_here(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,=1+1\n2,@a\n3,=1+1\n4,@a\n")
    _, schema = tables.as_training_table(tables.read_table(path, ",", "y"), "y", (), ",")
    assert schema.classes == ("=1+1", "@a")


def test_a_sign_does_not_make_text(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n-1,0\n+2,1\n")
    frame, _ = tables.as_training_table(tables.read_table(path, ",", "y"), "y", (), ",")
    assert frame["x"].tolist() == [-1.0, 2.0]
