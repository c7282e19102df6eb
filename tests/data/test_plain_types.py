"""Types of Arrow that come from other libraries, made plain."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from pyarrow import feather

from steps.base.errors import StepError
from steps.data import tables
from steps.data.csv_reading import Asked
from steps.data.plain_types import plain
from steps.data.training_table import Wanted, prepare


def test_views_and_runs_become_plain() -> None:
    views = pa.array(["a", None, "b"], pa.string_view())
    runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["x", "y"])
    table = pa.table({"t": views, "d": views.dictionary_encode(), "r": runs, "n": [1, 2, 3]})
    for rows in (table, table.to_batches()[0]):
        made = plain(rows)
        assert made.schema.types == [
            pa.large_string(), pa.dictionary(pa.int32(), pa.large_string()), pa.string(), pa.int64()
        ]  # fmt: skip
        assert made.to_pydict() == {
            "t": ["a", None, "b"], "d": ["a", None, "b"], "r": ["x", "x", "y"], "n": [1, 2, 3]
        }  # fmt: skip


def test_a_table_of_views_is_prepared(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    texts = pa.array(["a", "b", "c", None] * 10, pa.string_view())
    target = pa.array([*["no", "yes"] * 19, None, "no"], pa.string_view())
    feather.write_feather(pa.table({"x": texts.dictionary_encode(), "y": target}), path)
    table, text = tables.read_table(path, Asked(), "y")
    made = prepare(table, Wanted("y"), text)
    assert (made.schema.categories, made.schema.classes) == (("x",), ("no", "yes"))
    assert len(made.table) == 39


def test_repeated_names_of_a_parquet_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table([[1], [2], [3]], names=["a", "a", "y"]), path)
    with pytest.raises(StepError, match="found more than once: a"):
        tables.read_table(path, Asked(), "y")
