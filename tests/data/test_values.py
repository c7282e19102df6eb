"""One reading of numbers and labels: what training takes, scoring takes, and the reverse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.data import values
from steps.data.training_table import Prepared
from steps.data.values import TextRules, class_of, infer_labels, numbers
from tests.data.tables import prepared

TEXTS = {
    "1": 1.0,
    " +2.5e1 ": 25.0,
    ".5": 0.5,
    "true": 1.0,
    "FALSE": 0.0,
    "-$1.5": -1.5,
    "12 %": 12.0,
    **dict.fromkeys(["", " ", "NA", " null ", "nan", "-NaN", "#N/A"]),
}
NO_NUMBERS = [
    "$",
    "5 kg",
    "0x1F",
    "1e39",
    "-1e39",
    "inf",
    "1e400",
    "x",
    "1,5",
    "1_000",
    "\u0661",
    "2026-01-02",
]


def training_table(
    cells: list[str], folder: Path, labels: tuple[str, str] = ("0", "1")
) -> Prepared:
    """Give what preprocess makes of a table with one CSV column."""
    (folder / "t.csv").write_text(
        "x,y\n" + "".join(f"{cell},{labels[row % 2]}\n" for row, cell in enumerate(cells))
    )
    return prepared(folder / "t.csv")


def trained_on(cells: list[str], folder: Path, labels: tuple[str, str] = ("0", "1")) -> list[float]:
    """Give what preprocess makes of the cells of a CSV column."""
    return list(training_table(cells, folder, labels).table["x"].to_numpy())


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_bad_unless_training_took_it_for_missing(
    text: str, tmp_path: Path
) -> None:
    column = pa.array(["1", text])
    _, wrong = numbers(column, "x")
    assert list(wrong) == [1]
    if "," not in text:
        cells = ["1", text, *map(str, range(2, 20))]
        made = training_table(cells, tmp_path)
        np.testing.assert_array_equal(made.table["x"].to_numpy(), [1, np.nan, *range(2, 20)])
        read, wrong = numbers(column, "x", made.schema.rules)
        assert not wrong
        np.testing.assert_array_equal(read, [1, np.nan])


def test_what_is_a_number_or_missing_is_one_to_both(tmp_path: Path) -> None:
    wanted = [np.nan if value is None else value for value in TEXTS.values()]
    read, wrong = numbers(pa.array(list(TEXTS)), "x")
    assert not wrong
    np.testing.assert_array_equal(read, wanted)
    np.testing.assert_array_equal(trained_on(list(TEXTS), tmp_path), wanted)


def test_missing_texts_are_given_by_the_rules() -> None:
    column = pa.array(["1", "?", "NA"])
    read, wrong = numbers(column, "x", TextRules(missing=("?",)))
    np.testing.assert_array_equal(read[:2], [1.0, np.nan])
    assert list(wrong) == [2]


@settings(deadline=None)
@given(st.lists(st.text(max_size=6) | st.floats().map(repr) | st.sampled_from(list(TEXTS))))
def test_arrow_and_the_way_one_by_one_agree(texts: list[str]) -> None:
    fast, wrong = numbers(pa.array(texts, pa.string()), "x")
    each = [numbers(pa.array([text]), "x") for text in texts]
    assert list(wrong) == [row for row, (_, bad) in enumerate(each) if bad]
    np.testing.assert_array_equal(fast, [number[0] for number, _ in each])


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["no", " yes"], ["no", "yes"]),
        (["0", "1.0", " 1 ", "+1", "01"], [0, 1, 1, 1, 1]),
        (["True", "false ", "TRUE"], [True, False, True]),
        (["NA", "1"], [None, 1]),
        (["NA", "b"], ["NA", "b"]),
        (["0.5", "1"], [0.5, 1.0]),
    ],
)
def test_labels_of_training_are_known_to_scoring(texts: list[str], labels: list[object]) -> None:
    column = pa.chunked_array([texts])
    inferred = infer_labels(column).to_pylist()
    assert inferred == labels
    classes = sorted({label for label in inferred if label is not None}, key=str)
    if len(classes) == 2 and not isinstance(classes[0], float):
        wanted = [-1 if label is None else classes.index(label) for label in inferred]
        assert class_of(column, (classes[0], classes[1])).tolist() == wanted


def test_labels_with_a_space_are_one_class(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1, yes\n2,no\n3,yes\n")
    made = prepared(tmp_path / "t.csv")
    assert made.schema.classes == ("no", "yes")
    assert made.table["y"].to_pylist() == ["yes", "no", "yes"]


def test_dates_hold_no_numbers() -> None:
    assert values.holds_numbers(pa.dictionary(pa.int8(), pa.string()))
    assert not values.holds_numbers(pa.timestamp("s"))
