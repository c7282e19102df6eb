"""Tables of other people: formats, types of the target, messages are in test_bad_input."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steps.base.errors import StepError
from steps.data import tables
from steps.data.schema import Schema
from steps.data.split import split, write_split
from tests.conftest import DIABETES

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
    prepared, schema = tables.as_training_table(tables.read_table(path, ",", "y"), "y", (), ",")
    assert schema.classes == classes
    assert type(schema.positive) is type(classes[1])
    assert schema.features == ("a", "b")
    assert prepared["y"].tolist() == target
    assert [str(kind) for kind in prepared.dtypes[:2]] == ["float64", "float64"]
    assert Schema.from_json(schema.to_json()) == schema


def test_semicolons_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("\ufeffa;y\n1;0\n2;1\n".encode())
    frame = tables.read_table(path, ";", "y")
    assert frame.column_names == ["a", "y"]


def test_compressed_header(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"a,a\n1,2\n"))
    with pytest.raises(StepError, match="found more than once: a"):
        tables.read_table(path, ",", "y")


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    frame, schema = tables.as_training_table(
        tables.read_table(DIABETES, ",", "Outcome"), "Outcome", ("BMI",), ","
    )
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        train, test = split(frame, schema, 0.25, 42)
        written.append([path.read_bytes() for path in write_split(train, test, schema, folder)])
    assert written[0] == written[1]


def test_split_is_stratified_and_seeded() -> None:
    frame, schema = tables.as_training_table(
        tables.read_table(DIABETES, ",", "Outcome"), "Outcome", (), ","
    )
    train, test = split(frame, schema, 0.25, 42)
    assert (len(train), len(test)) == (576, 192)
    assert abs(train["Outcome"].mean() - test["Outcome"].mean()) < 0.005
    assert not set(train.index) & set(test.index)
    assert split(frame, schema, 0.25, 42)[1].equals(test)
    assert not split(frame, schema, 0.25, 43)[1].equals(test)


def test_profile_counts_the_missing(tmp_path: Path) -> None:
    frame, schema = tables.as_training_table(
        tables.read_table(DIABETES, ",", "Outcome"), "Outcome", ("Insulin",), ","
    )
    train, test = split(frame, schema, 0.25, 42)
    found = json.loads(write_split(train, test, schema, tmp_path)[3].read_text())
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
        tables.read_table(path, ",", "y")


def test_gzip_with_a_wrong_byte(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    whole = bytearray(gzip.compress(b"a,y\n1,0\n2,1\n"))
    whole[10] ^= 0xFF
    path.write_bytes(bytes(whole))
    with pytest.raises(StepError, match=r"table\.csv\.gz"):
        tables.read_table(path, ",", "y")


# --- tables that are larger than a block -----------------------------------------------------


def test_latin_1_beyond_the_first_block(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,y\n" + b"1,no\n2,yes\n" * 300_000 + "3,né\n".encode("latin-1"))
    with pytest.raises(StepError, match=r"expected UTF-8 text in .*table\.csv"):
        tables.read_table(path, ",", "y")


def test_quoted_line_ends_beyond_the_first_block(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    labels = ['"n\no"', "yes"] * 200_000
    path.write_text("a,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels)))
    frame, schema = tables.as_training_table(tables.read_table(path, ",", "y"), "y", (), ",")
    assert schema.classes == ("n\no", "yes")
    assert frame["a"].tolist() == list(range(400_000))


def test_a_line_too_long(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"1" * (20 << 20), 1))
    with pytest.raises(StepError, match="lines of at most 8 MiB"):
        tables.read_table(path, ",", "y")
    path.write_bytes(gzip.compress(b"a,y\n1,0\n" + b"1" * (40 << 20), 1))
    with pytest.raises(StepError, match="rows of at most 8 MiB"):
        tables.read_table(path, ",", "y")


def test_a_delimiter_at_the_end_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,y,\n" + "1,0,\n2,1,\n" * 9)
    frame, schema = tables.as_training_table(tables.read_table(path, ",", "y"), "y", (), ",")
    with pytest.raises(StepError, match=r"a column without a name .*end with a delimiter"):
        split(frame, schema, 0.5, 0)


def test_many_columns_are_checked_in_linear_time() -> None:
    started = time.monotonic()
    with pytest.raises(StepError, match=r"found more than once: 1$"):
        tables.check_columns(["1"] * 2_500_000, "t.csv")
    names = [f"column {number}" for number in range(40_000)]
    tables.check_columns(names, "t.csv")
    tables.require_columns(names, names, "t.csv")
    assert time.monotonic() - started < 10
