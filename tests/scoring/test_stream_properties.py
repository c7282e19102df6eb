"""Any table that fits scores as pandas and scikit-learn score it."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.base.errors import StepError
from tests.scoring.any_table import (
    DELIMITERS,
    FEATURES,
    LABELS,
    MORE_NUMBERS,
    NUMBERS,
    OUTPUTS,
    PIPELINE,
    as_floats,
    assert_scored,
    features,
    parquet_tables,
    read,
    score,
    tables,
    written,
)

# scikit-learn adds up a column to see whether all of it is finite: float32's largest numbers of
# both signs make inf - inf of that, and then it looks at each.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")


@pytest.mark.slow
@given(
    table=tables(),
    delimiter=st.sampled_from(DELIMITERS),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    output=st.sampled_from(OUTPUTS),
)
@settings(max_examples=150, deadline=None)
def test_csv_that_fits(
    table: pd.DataFrame, delimiter: str, line_end: str, quoting: int, output: str
) -> None:
    texts = [name for name in table.columns if name not in (*FEATURES, "label")]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "t.csv").write_bytes(written(table, delimiter, line_end, quoting))
        score(place / "t.csv", place / output, delimiter=delimiter)
        found = read(place / output)
        assert_scored(found, table, texts)
        if "label" in table:
            spelled = LABELS if output in ("p.parquet", "p") else {}
            kept = [None if pd.isna(value) else value for value in found["label"]]
            assert kept == [spelled.get(value, value) for value in table["label"]]


@pytest.mark.slow
@given(table=parquet_tables([*NUMBERS.items(), *MORE_NUMBERS]), output=st.sampled_from(OUTPUTS))
@settings(max_examples=100, deadline=None)
def test_parquet_that_fits(table: pa.Table, output: str) -> None:
    wanted = pd.DataFrame({name: as_floats(table[name]) for name in FEATURES})
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        pq.write_table(table, place / "t.parquet")
        try:
            score(place / "t.parquet", place / output)
        except StepError as error:
            # CSV has no place for lists, or for bytes that are no text.
            assert output.startswith("p.csv")
            refused = str(error)
            assert "expected columns that CSV can hold, found" in refused
            assert sorted(path.name for path in place.iterdir()) == ["t.parquet"]
            return
        found = read(place / output)
        assert found["prediction"].astype(int).tolist() == PIPELINE.predict(wanted).tolist()
        probability = [float(value) for value in found["probability"]]
        assert probability == PIPELINE.predict_proba(wanted)[:, 1].tolist()
        if not output.startswith("p.csv"):
            kept = pq.read_table(place / output).select(table.column_names)
            assert kept.equals(pq.read_table(place / "t.parquet"))


def test_a_byte_order_mark_within_the_file_is_text(tmp_path: Path) -> None:
    table = pd.DataFrame({"note": ["\ufeffa"], **dict.fromkeys(FEATURES, "1.5")})
    (tmp_path / "t.csv").write_bytes(written(table, ",", "\n", csv.QUOTE_MINIMAL))
    for output in OUTPUTS:
        score(tmp_path / "t.csv", tmp_path / output)
        assert read(tmp_path / output)["note"].tolist() == ["\ufeffa"]


def test_a_cell_larger_than_the_csv_modules_limit(tmp_path: Path) -> None:
    note = "two\nlines " * 20_000
    table = pd.DataFrame({**dict.fromkeys(FEATURES, "1.5"), "note": ["short", note]})
    (tmp_path / "t.csv").write_bytes(written(table, ",", "\n", csv.QUOTE_MINIMAL))
    for output in OUTPUTS:
        assert score(tmp_path / "t.csv", tmp_path / output).totals.written == 2
    assert note in (tmp_path / "p.csv").read_text()


def test_booleans_of_a_csv_are_numbers_as_in_training(tmp_path: Path) -> None:
    for yes, no in (("true", "false"), ("True", "False"), ("TRUE", "FALSE"), ("1", "0")):
        table = pd.DataFrame({**dict.fromkeys(FEATURES, "0.5"), "plain": [yes, no, ""]})
        (tmp_path / "t.csv").write_bytes(written(table, ",", "\n", csv.QUOTE_MINIMAL))
        score(tmp_path / "t.csv", tmp_path / "p.csv", keep=())
        found = read(tmp_path / "p.csv")["probability"].astype(float)
        numbers = features(table.assign(plain=[1.0, 0.0, np.nan]))
        assert found.tolist() == PIPELINE.predict_proba(numbers)[:, 1].tolist()
