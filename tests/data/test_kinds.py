"""What columns are taken for, and what is told of it."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from steps.base.errors import StepError
from steps.data.features import read_features
from steps.data.kinds import as_dictionary, decide
from steps.data.preparation import split_table
from steps.data.prepared_files import write_split
from steps.data.schema import DateColumn, Schema
from steps.data.training_table import Wanted, prepare
from steps.data.values import DEFAULT
from tests.conftest import PROJECT
from tests.data.tables import prepared, split_of

ROWS = 40
CHARGES = [" ", "10.5", *map(str, range(ROWS - 2))]


def said(values: object, name: str = "x") -> str:
    column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([pa.array(values)])
    kind = decide(as_dictionary(column), name, DEFAULT)
    return kind.problem or str(kind.decision)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (CHARGES, "x: number, 1 missing (' ')"),
        (["?", "-", *map(str, range(ROWS))], "x: number, 2 missing ('?', '-')"),
        (["1,234.5", "2,000", "-3"], "x: number"),
        (["$1,234.50", "-$3", "9 €", "7"], "x: number"),
        (["12%", "3.5 %", "-"], "x: number, 1 missing ('-')"),
        (["5 kg", "7 kg", "5 kg"], "x: category, 2 values"),
        (["yes", "No", "yes", "NA"], "x: boolean, 1 missing ('NA')"),
        (["T", "F"] * 3, "x: boolean"),
        ([True, False, None], "x: boolean, 1 missing"),
        (["f", "n", "y", "f", "n", "y"], "x: category, 3 values"),
        (["yes", "yes", "?"], "x: category, 1 value, 1 missing ('?')"),
        (["250", "V27", "E87"] * 9, "x: category, 3 values"),
        ([f"C{row}" for row in range(7043)], "x: dropped, 7,043 different texts in 7,043 rows"),
        (["a"] * 5, "x: dropped, always 'a'"),
        ([3.0] * 5, "x: dropped, always 3"),
        (["", "NA", " "], "x: dropped, empty"),
        ([[1], [2]], "x: dropped, list<item: int64> is no number, text or date; to learn from it, "
         "write columns of these"),
        ([datetime.timedelta(minutes=1), None, datetime.timedelta(hours=1)],
         "x: number, in seconds, 1 missing"),
        ([Decimal("1.5"), None, Decimal("2.25")], "x: number, 1 missing"),
        (pa.chunked_array([pa.array([1.5, None, 2], pa.float16())]), "x: number, 1 missing"),
        (pa.chunked_array([pa.array([2**64 - 1, 3, 3], pa.uint64())]), "x: number"),
        (pa.chunked_array([pa.nulls(3)]), "x: dropped, empty"),
        (pa.chunked_array([pa.array([0, 10**12], pa.timestamp("s", "No/Zone"))]),
         "expected times of a known zone in column x, found 'No/Zone'; write them in UTC, or "
         "without a zone (-P 'drop=x' leaves it out)"),
        (["2026-01-31", "2026-02-01"] * 2, "x: date, read as days, month, weekday"),
        (["2026-01-01T10:00Z", "2026-01-01 11:30:00.1234567+02:00"], "x: date, read as days, hour"),
        (pd.Series(["b", "1", "b"], dtype="category"), "x: category, 2 values"),
        (pd.Series([7, 8, 7, 8], dtype="category"), "x: category, 2 values"),
        (["n/a", *["12", "7"] * 20, "old"], "x: number, 2 missing ('n/a', 'old')"),
        (["1"] * 20 + [f"{row} kg" for row in range(2)], "x: number, 2 missing ('0 kg', '1 kg')"),
        (["1"] * 99 + [f"{row} kg" for row in range(11)], "x: category, 12 values"),
        (["2026-01-31", "2026-03-31"] * 9 + ["2026-02-30"],
         "x: date, read as days, month, weekday, 1 missing ('2026-02-30')"),
        ([1.0, 2.0, np.inf, -np.inf], "x: number, 2 missing (-inf, inf)"),
    ],
)  # fmt: skip
def test_kind(values: object, told: str) -> None:
    assert said(values) == told


def test_too_many_numbers_that_are_too_large_are_no_codes() -> None:
    assert said(10.0 ** np.arange(30, 60)) == (
        "expected a finite number up to 3.4e+38 in column x, found 1e+39 in data row 10 and in 20 "
        "more (-P 'drop=x' leaves it out)"
    )


def test_odd_values_are_missing_in_new_rows_too() -> None:
    table = pa.table(
        {
            "size": [*map(str, range(30)), "large"],
            "ratio": [*[1.5, 2.5, np.inf] * 10, 1.0],
            "y": [*[0, 1] * 15, 0],
        }
    )
    made = prepare(table, Wanted("y"))
    assert made.decisions.warnings[0] == (
        "size: 'large' is no number, and is missing from here on, in every column and in new rows"
    )
    again = Schema.from_json(made.schema.to_json())
    new = {"size": pa.array(["large", "3", "tiny"]), "ratio": pa.array([np.inf, 1.0, -np.inf])}
    read = read_features(new.__getitem__, again)
    assert [*read.wrong] == [2]
    np.testing.assert_array_equal(read.arrays["size"][:2], [np.nan, 3])
    np.testing.assert_array_equal(read.arrays["ratio"][:2], [np.nan, 1])


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "rownames"])
def test_a_nameless_index_is_dropped(name: str) -> None:
    assert said([4, 9, 1, 7], name).endswith("dropped, it only numbers the rows")
    assert said([4, 4, 1, 7], name).endswith("number")


def test_dates_of_text_and_of_arrow_are_the_same() -> None:
    times = pd.to_datetime(["2026-01-31 12:00", "NaT", "2024-02-29 06:30"])
    schema = Schema(
        ("t.days", "t.month", "t.weekday", "t.hour"),
        "y",
        (0, 1),
        (),
        dates=(DateColumn("t", ("days", "month", "weekday", "hour")),),
    )
    found = []
    for column in (
        pa.array(times),
        pa.array(times.tz_localize("Europe/Berlin")),
        pa.array(["2026-01-31T12:00+01:00", "", "2024-02-29 06:30:00"]),
    ):
        read = read_features({"t": column}.__getitem__, schema)
        assert not read.wrong
        found.append(np.array(list(read.arrays.values())))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[0][:, 0], [20484.5, 1, 5, 12])


def test_what_scoring_reads_is_what_training_read() -> None:
    source = pa.table(
        {
            "n": ["1", "?", "2.5", " 3 "] * 5,
            "b": ["yes", "no", "", "yes"] * 5,
            "c": [" red", "green", None, "red"] * 5,
            "d": ["2026-01-01", "2026-02-01", "-", "2026-03-05"] * 5,
            "y": [0, 1] * 10,
        }
    )
    made = prepare(source, Wanted("y"))
    again = read_features(source.column, Schema.from_json(made.schema.to_json()))
    assert (made.schema.categories, made.schema.booleans) == (("c",), ("b",))
    assert list(again.arrays) == [*made.schema.features]
    for name, array in again.arrays.items():
        wanted = made.table.column(name).to_pylist()
        read = array.tolist() if isinstance(array, np.ndarray) else array.to_pylist()
        assert [None if value != value else value for value in read] == wanted
    new = {
        "n": pa.array(["x", "1", "1"]),
        "b": pa.array([True, False, None]),
        "c": pa.array(["blue", "red", "?"]),
        "d": pa.array(["2026-01-01", "soon", "2026-01-01"]),
    }
    read = read_features(new.__getitem__, made.schema)
    assert set(read.wrong) == {0, 1}
    assert list(pa.array(read.arrays["c"]).to_pylist()) == ["blue", "red", None]
    with pytest.raises(StepError, match="expected dates in column d, found int64"):
        read_features((new | {"d": pa.array([1, 2, 3])}).__getitem__, made.schema)


def test_german_credit(tmp_path: Path) -> None:
    parts = split_of(PROJECT / "data" / "credit-g.csv", "class")
    told = parts.decisions.lines()
    assert "purpose: category, 10 values" in told
    assert any(line.startswith("class=good is the positive class, bad the other") for line in told)
    assert (len(parts.schema.categories), parts.schema.booleans) == (12, ("foreign_worker",))
    files = write_split(parts.train, parts.test, parts.schema, parts.decisions, tmp_path)
    assert pd.read_parquet(files[0])["purpose"].dtype == object
    purpose = json.loads(files[3].read_text())["features"]["purpose"]
    assert (purpose["missing"], purpose["values"]["radio/tv"], purpose["rest"]) == (0, 211, 0)


def test_what_gives_the_answer_away_is_warned_of(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    frame = pd.DataFrame({"row": range(400), "noise": random.normal(size=400), "y": y})
    frame["code"] = np.where(y, "late", "paid")
    frame["day"] = pd.date_range("2026-01-01", periods=400).astype(str)
    frame.to_csv(tmp_path / "t.csv", index=False)
    warned = split_of(tmp_path / "t.csv").decisions.warnings
    assert [warning.partition(" ")[0] for warning in warned] == ["row", "row", "code", "day.days"]
    assert "only numbers the rows" in warned[0]
    assert "alone predicts y almost perfectly" in warned[2]
    # What can be dropped is the column, not its part.
    assert "(-P 'drop=day' leaves it out)" in warned[3]


def test_many_values_and_wide_tables_are_told_in_few_lines() -> None:
    random = np.random.default_rng(0)
    columns = {f"c{number}": random.choice(["a", "b"], 300) for number in range(900)}
    town = [f"t{number}" for number in random.integers(0, 60, 300)]
    table = pa.table(columns | {"town": town, "y": [0, 1] * 150})
    parts = split_table(prepare(table, Wanted("y")), 0.5, 0)
    assert parts.schema.many_valued == ("town",)
    told = parts.decisions.lines()
    assert len(told) < 4
    assert told[0].startswith("901 categories: c0 (2 values), c1 (2 values)")


def test_numbers_that_mean_missing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n" + "-999.0,x,0\n5,-999,1\n6,x,0\n" * 9)
    made = prepared(tmp_path / "t.csv", asked={"missing": ("", "-999")})
    assert made.table["a"].to_pylist()[:3] == [None, 5.0, 6.0]
    assert made.table["b"].to_pylist()[:3] == ["x", None, "x"]
