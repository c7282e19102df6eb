"""Tables of other people: formats, types of the target, messages are in test_bad_input."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from steps.base.errors import StepError
from steps.data import tables
from steps.data.csv_reading import Asked
from steps.data.prepared_files import write_split
from steps.data.schema import Schema
from steps.data.split import split
from tests.conftest import DIABETES
from tests.data.tables import prepared, split_of

X = {"a": [1, 2, 3, 4], "b": [0.5, np.nan, 1.5, 2.5]}


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        ([0, 1, 1, 0], (0, 1)),
        ([1.0, 2.0, 1.0, 2.0], (1, 2)),
        ([True, False, True, False], (False, True)),
        (["yes", "no", "yes", "no"], ("no", "yes")),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_target(
    target: list[object], classes: tuple[object, object], suffix: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame(X | {"y": target})
    path = tmp_path / f"table{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
    made = prepared(path)
    frame, schema = made.table.to_pandas(), made.schema
    assert schema.classes == classes
    assert type(schema.positive) is type(classes[1])
    assert schema.features == ("a", "b")
    assert frame["y"].tolist() == target
    assert [str(kind) for kind in frame.dtypes[:2]] == ["float64", "float64"]
    assert Schema.from_json(schema.to_json()) == schema


def test_semicolons_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("\ufeffa;y\n1;0\n2;1\n".encode())
    for delimiter in (";", None):
        table, text = tables.read_table(path, Asked(delimiter), "y")
        assert (table.column_names, text.delimiter) == (["a", "y"], ";")


def test_compressed_header(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"a,a\n1,2\n"))
    with pytest.raises(StepError, match="found more than once: a"):
        tables.read_table(path, Asked(), "y")


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        parts = split_of(DIABETES, "Outcome")
        files = write_split(parts.train, parts.test, parts.schema, parts.decisions, folder)
        written.append([path.read_bytes() for path in files])
    assert written[0] == written[1]
    digest = hashlib.sha256(written[0][0]).hexdigest()
    assert digest == "df25028b307b4b9392729d44fa8f14efeb8e1944a40360cbbf787a7bc2a6fc62"


def test_split_is_stratified_and_seeded() -> None:
    made = prepared(DIABETES, "Outcome")
    table = made.table.append_column("row", pa.array(range(768)))
    train, test = split(table, made.schema, 0.25, 42)
    assert (len(train), len(test)) == (576, 192)
    rates = [pc.mean(part.column("Outcome")).as_py() for part in (train, test)]
    assert abs(rates[0] - rates[1]) < 0.005
    rows = train.column("row").to_pylist() + test.column("row").to_pylist()
    assert sorted(rows) == list(range(768))
    assert split(table, made.schema, 0.25, 42)[1].equals(test)
    assert not split(table, made.schema, 0.25, 43)[1].equals(test)


def test_profile_counts_the_missing(tmp_path: Path) -> None:
    parts = split_of(DIABETES, "Outcome", zero_as_missing=("Insulin",))
    files = write_split(parts.train, parts.test, parts.schema, parts.decisions, tmp_path)
    found, train = json.loads(files[3].read_text()), parts.train.to_pandas()
    insulin = found["features"]["Insulin"]
    assert insulin["missing"] == (train["Insulin"] == 0).mean()
    assert sum(insulin["counts"]) == (train["Insulin"] > 0).sum()
    assert len(insulin["edges"]) + 1 == len(insulin["counts"]) == 10
    assert found["classes"] == {"0": 375, "1": 201}


@pytest.mark.parametrize("length", [15, 24])
def test_truncated_gzip(length: int, tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n" + b"1,0\n2,1\n" * 9)[:length])
    with pytest.raises(StepError, match=r"table\.csv\.gz"):
        tables.read_table(path, Asked(), "y")


def test_gzip_with_a_wrong_byte(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    whole = bytearray(gzip.compress(b"a,y\n1,0\n2,1\n"))
    whole[10] ^= 0xFF
    path.write_bytes(bytes(whole))
    with pytest.raises(StepError, match=r"table\.csv\.gz"):
        tables.read_table(path, Asked(), "y")


# --- tables that are larger than a block -----------------------------------------------------


def test_latin_1_beyond_the_first_block(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,y\n" + b"1,no\n2,yes\n" * 300_000 + "3,né\n".encode("latin-1"))
    with pytest.raises(StepError, match=r"expected UTF-8 text in .*table\.csv"):
        tables.read_table(path, Asked(), "y")


def test_quoted_line_ends_beyond_the_first_block(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    labels = ['"n\no"', "yes"] * 200_000
    path.write_text("a,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels)))
    made = prepared(path)
    assert made.schema.classes == ("n\no", "yes")
    assert made.table["a"].to_pylist() == list(range(400_000))
    assert "a only numbers the rows" in made.decisions.warnings[0]


def test_a_line_too_long(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"1" * (20 << 20), 1))
    with pytest.raises(StepError, match="lines of at most 8 MiB"):
        tables.read_table(path, Asked(), "y")
    path.write_bytes(gzip.compress(b"a,y\n1,0\n" + b"1" * (40 << 20), 1))
    with pytest.raises(StepError, match="rows of at most 8 MiB"):
        tables.read_table(path, Asked(), "y")


def test_a_delimiter_at_the_end_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,y,\n" + "1,0,\n2,1,\n" * 9)
    made = prepared(path)
    assert made.schema.features == ("a",)
    assert "a column without a name: dropped, empty" in made.decisions.lines()


def test_many_columns_are_checked_in_linear_time() -> None:
    started = time.monotonic()
    with pytest.raises(StepError, match=r"found more than once: 1$"):
        tables.check_columns(["1"] * 2_500_000, "t.csv")
    names = [f"column {number}" for number in range(40_000)]
    tables.check_columns(names, "t.csv")
    tables.require_columns(names, names, "t.csv")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(("asked", "meant"), [("outcome", "Outcome?"), ("size", "' Size '?")])
def test_a_name_in_other_case_or_with_blanks_is_meant(asked: str, meant: str) -> None:
    with pytest.raises(StepError, match=f"did you mean {re.escape(meant)}"):
        tables.require_columns([asked], ["Outcomes", "Outcome", " Size "], "parameter target")
