"""Targets of every kind, and rows held out by class, time, group or as a table of their own."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from steps.base.errors import StepError
from steps.data.preparation import split_table, with_test_table
from steps.data.prepared_files import record
from steps.data.split import parse_split
from steps.data.targets import read_target
from steps.data.training_table import Wanted, prepare
from steps.data.values import DEFAULT, class_of


def target(values: object, **asked: str) -> tuple[object, ...]:
    read = read_target(pa.chunked_array([pa.array(values)]), "y", DEFAULT, **asked)
    return (read.classes, read.labels.type, int(read.present.sum()))


@pytest.mark.parametrize(
    ("values", "asked", "classes", "kind", "present"),
    [
        ([1, 0, 1], {}, (0, 1), pa.int64(), 3),
        ([1, 0, 1], {"positive": "0"}, (1, 0), pa.int64(), 3),
        (["b", " c", "a", ""], {}, ("a", "b", "c"), pa.string(), 3),
        (["yes", "no", "NA", "?"], {}, ("no", "yes"), pa.string(), 2),
        (["+", "-", "+"], {}, ("+", "-"), pa.string(), 3),
        ([True, False, None], {"positive": "false"}, (True, False), pa.bool_(), 2),
        ([0.0, 1.0, np.nan], {}, (0, 1), pa.int64(), 2),
        ([0.5, 1.0, 2.0], {}, (), pa.float64(), 3),
        ([*range(20)] * 4, {}, tuple(range(20)), pa.int64(), 80),
        ([*range(21)] * 4, {}, (), pa.float64(), 84),
        # A count of events, and a class that occurs once.
        ([0, 0, 0, 1, 1, 2], {}, (), pa.float64(), 6),
        ([0, 0, 1, 1, 2, 2], {}, (), pa.float64(), 6),
        ([0, 0, 0, 1], {}, (0, 1), pa.int64(), 4),
        (["$1.50", "$2"], {}, (), pa.float64(), 2),
        (["0", "1", "1"], {}, ("0", "1"), pa.string(), 3),
        (["0", "1", "1"], {"task": "regression"}, (), pa.float64(), 3),
        (range(21), {"task": "classification"}, tuple(range(21)), pa.int64(), 21),
        ([1, 2, 1], {"task": "regression"}, (), pa.float64(), 3),
    ],
)
def test_target(
    values: object, asked: dict[str, str], classes: tuple[object, ...], kind: object, present: int
) -> None:
    assert target(values, **asked) == (classes, kind, present)


def test_dates_are_no_target() -> None:
    with pytest.raises(StepError, match=r"found dates \(timestamp\[ns\]\); choose another target"):
        target(pd.date_range("2026-01-01", periods=3))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([[1], [2]], r"found list<item: int64>; choose another target, or write a number or a"),
        ([datetime.time(1), datetime.time(2)], r"found times \(time64\[us\]\); .* seconds"),
        (pa.array([1], pa.timestamp("s")).dictionary_encode(), r"found dates \(timestamp\[s\]\)"),
    ],
)
def test_what_is_no_target(values: object, found: str) -> None:
    with pytest.raises(StepError, match=found):
        target(values)


def test_classes_that_differ_in_case_only_are_warned_of() -> None:
    column = pa.chunked_array([["Yes", "no", "yes "] * 9])
    (warned,) = read_target(column, "y", DEFAULT).warnings
    assert "only in upper and lower case (Yes, yes) and are learned as different ones" in warned


def test_more_than_127_classes_are_known_to_scoring() -> None:
    names = tuple(f"c{number:03d}" for number in range(200))
    assert class_of(pa.array([*names, "x"]), names).tolist() == [*range(200), -1]


def table(rows: int = 200) -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table(
        {
            "x": random.normal(size=rows),
            "day": pd.date_range("2026-01-01", periods=rows)[random.permutation(rows)],
            "who": random.choice([f"p{number}" for number in range(20)], rows),
            "y": random.permutation(np.arange(rows) % 3),
        }
    )


def test_the_newest_rows_are_held_out() -> None:
    made = prepare(table(), Wanted("y", split=parse_split("time:day")))
    parts = split_table(made, 0.25, 42)
    assert made.schema.features == ("x", "day.month", "day.weekday", "who")
    assert made.order is not None
    held_out = made.order >= np.sort(made.order)[150]
    assert parts.test["x"].to_pylist() == made.table["x"].filter(pa.array(held_out)).to_pylist()
    assert (len(parts.train), len(parts.test)) == (150, 50)


def test_no_group_is_on_both_sides() -> None:
    made = prepare(table(), Wanted("y", split=parse_split("group:who")))
    parts = split_table(made, 0.25, 42)
    assert (parts.schema.group, parts.schema.categories) == ("who", ())
    assert parts.train.column_names == [*parts.schema.features, "day", "who", "y"]
    train, test = (set(part["who"].to_pylist()) for part in (parts.train, parts.test))
    assert not train & test
    assert 0.1 < len(parts.test) / 200 <= 0.25


def test_a_table_of_its_own_is_held_out() -> None:
    made = prepare(table(), Wanted("y"))
    other = table(30)
    parts = with_test_table(made, other, "other")
    assert (len(parts.train), len(parts.test)) == (200, 30)
    assert parts.test.column_names == parts.train.column_names
    wrong = other.set_column(3, "y", pa.array([9, *other["y"].to_pylist()[1:]]))
    with pytest.raises(StepError, match=r"test_data other: expected one of the 3 classes .* row 1"):
        with_test_table(made, wrong, "other")
    with pytest.raises(StepError, match="expected column who, not found"):
        with_test_table(made, other.drop_columns(["who"]), "other")


def test_numbers_to_predict_are_split_and_measured() -> None:
    measured = table().set_column(3, "y", pa.array(np.linspace(0, 9.5, 200)))
    parts = split_table(prepare(measured, Wanted("y")), 0.25, 42)
    metrics = record(parts.train, parts.test, parts.schema).metrics
    assert (metrics["rows_train"], metrics["rows_test"]) == (150, 50)
    assert metrics["target_mean"] == pytest.approx(4.75)
    assert "positive_rate" not in metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": parse_split("time:who")}, "expected dates or numbers in column who"),
        ({"split": parse_split("group:whom")}, "did you mean who?"),
        ({"split": parse_split("group:Who ")}, "did you mean who?"),
        ({"split": parse_split("group:y")}, "expected another column than the target, found y"),
        ({"split": parse_split("group:list")}, "expected groups of text or numbers in column list"),
        ({"split": parse_split("time:list")}, "in column list, found: dropped, list<"),
        (
            {"split": parse_split("time:late")},
            "found 1 without one; fill it in",
        ),
        ({"positive": "1"}, "parameter positive: expected two classes in target y, found 3"),
        ({"features": ("x",), "drop": ("x",)}, "expected feature columns beside the target y"),
        ({"zero_as_missing": ("who",)}, "found that who is a category"),
    ],
)
def test_what_cannot_be_asked_for(change: dict[str, Any], message: str) -> None:
    late = pa.array([None, *range(199)])
    asked = table().append_column("list", [[[1]] * 200]).append_column("late", late)
    with pytest.raises(StepError, match=message):
        prepare(asked, Wanted("y", **change))


def test_rows_of_classes_too_rare_to_learn_are_left_out() -> None:
    rows = table(210)
    kinds = np.array(["a", "b", "c"], dtype=object)[np.arange(210) % 3]
    kinds[:5] = ["lone", "rare", "rare", "few", "few"]
    made = prepare(rows.set_column(3, "y", pa.array(kinds)), Wanted("y"))
    parts = split_table(made, 0.25, 42)
    assert {"a", "b", "c"} <= set(parts.schema.classes) < {*made.schema.classes}
    train = parts.train["y"].to_pylist()
    assert all(train.count(label) > 1 for label in parts.schema.classes)
    assert set(parts.test["y"].to_pylist()) <= set(parts.schema.classes)
    warned = parts.decisions.warnings[-1]
    assert re.fullmatch(r"\d rows? of too rare classes of y (is|are) left out: .*lone.*", warned)


def test_more_classes_than_rows_to_hold_out() -> None:
    rows = table(60)
    made = prepare(
        rows.set_column(3, "y", pa.array([f"c{row % 21}" for row in range(60)])), Wanted("y")
    )
    parts = split_table(made, 0.25, 42)
    assert len(parts.test) <= 15
    assert len(parts.schema.classes) > 15


@pytest.mark.parametrize("repeated", [1, 60])
def test_a_target_that_names_rows(repeated: int) -> None:
    names = [*["same"] * repeated, *(f"name {row}" for row in range(200 - repeated))]
    made = prepare(table().set_column(3, "y", pa.array(names)), Wanted("y"))
    with pytest.raises(StepError, match="several rows of each class of target y, found one or two"):
        split_table(made, 0.25, 42)


@pytest.mark.parametrize("value", ["time", "time:", "group: ", "newest", "random:x"])
def test_split_that_is_none(value: str) -> None:
    with pytest.raises(ValueError, match="time:<column>"):
        parse_split(value)
