"""Any table that fits scores as pandas and scikit-learn score it; any other is a one-line error."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from steps.core.errors import StepError
from steps.core.estimator import build_pipeline
from steps.core.schema import Schema
from steps.scoring import engine, inputs
from steps.scoring.plan import Request
from steps.scoring.predictor import Predictor
from steps.scoring.rows import LARGEST

# scikit-learn adds up a column to see whether all of it is finite: float32's largest numbers of
# both signs make inf - inf of that, and then it looks at each.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")

# Names that a format could trip over: a delimiter, a quote, a line end, a path of nested columns.
FEATURES = ("plain", 'with "quotes", a comma', "ü.é", "ü")
SCHEMA = Schema(FEATURES, "label", (0, 1), ("plain",))
OUTPUTS = ("p.csv", "p.csv.gz", "p.parquet", "p")
DELIMITERS = ",;\t| :^"


def _pipeline() -> Any:
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(200, 4)).round(2), columns=list(FEATURES))
    labels = (table.sum(axis=1) > 0).astype(int).to_numpy()
    return build_pipeline(SCHEMA, 0, n_estimators=3, max_depth=3).fit(table, labels)


PIPELINE = _pipeline()
PREDICTOR = Predictor(PIPELINE, SCHEMA, 0.5)

NUMBER = st.one_of(
    st.none(),
    st.floats(-3, 3).map(lambda number: round(number, 2)),
    st.floats(-LARGEST, LARGEST),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-45, LARGEST, -LARGEST, 0.1 + 0.2, 1 / 3]),
    st.integers(-(2**63), 2**63),
)
# Surrogates are no text that a file could hold.
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        [
            *("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "007", "NA", "nan", "", " "),
            *('"', '""', "a\nb", "a\r\nb", "a\rb", "\n", "\r\n", ",", ";", "\t", "\0", "\ufeff"),
            *("é", "\u2028", "x" * 200),
        ]
    ),
)
# What a typed column makes of a target's text; what is no class is a missing value there.
LABELS = {"0": 0, "1": 1, "": None, "2": 2, "1.0": 1, "x": None}
LABEL = st.sampled_from(list(LABELS))


@st.composite
def tables(draw: Any, text: Any = TEXT) -> pd.DataFrame:
    """Draw a table that fits the schema, as objects: other columns beside, in any order."""
    count = draw(st.integers(1, 8))

    def column(cells: Any) -> list[Any]:
        return draw(st.lists(cells, min_size=count, max_size=count))

    columns = {name: column(NUMBER) for name in FEATURES}
    if draw(st.booleans()):
        columns["label"] = column(LABEL)
    for name in draw(
        st.lists(st.sampled_from(["note", "", "two\nlines", "id", "ü.x"]), unique=True)
    ):
        columns[name] = column(text)
    order = draw(st.permutations(list(columns)))
    return pd.DataFrame({name: pd.Series(columns[name], dtype=object) for name in order})


def features(table: pd.DataFrame) -> pd.DataFrame:
    """Give the features in the types and the order of the training."""
    return table[list(FEATURES)].astype("float64")


def score(location: Path, output: Path, **request: Any) -> engine.Result:
    chosen = Request(output, **({"delimiter": ","} | request))
    return engine.score_files(inputs.find_files(str(location)), PREDICTOR, SCHEMA, chosen, None)


def read(path: Path) -> pd.DataFrame:
    """Read an output; all that is kept of a CSV is text."""
    if path.is_dir() or path.suffix == ".parquet":
        return pq.read_table(path).to_pandas()
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file, strict=True))
    assert {len(line) for line in lines} <= {len(header)}
    return pd.DataFrame(lines, columns=header, dtype=object)


def assert_scored(found: pd.DataFrame, table: pd.DataFrame, texts: list[str]) -> None:
    """Compare with pandas and scikit-learn's own calls, and the kept columns with the table."""
    wanted = features(table)
    assert list(found) == [*table.columns, "prediction", "probability"]
    assert found["prediction"].astype(int).tolist() == PIPELINE.predict(wanted).tolist()
    probability = [float(value) for value in found["probability"]]
    assert probability == PIPELINE.predict_proba(wanted)[:, 1].tolist()
    for name in texts:
        assert found[name].tolist() == table[name].tolist(), name


def written(table: pd.DataFrame, delimiter: str, line_end: str, quoting: Any) -> bytes:
    """Write a table as CSV with Python's own writer; None is an empty cell."""

    def line(cells: Any) -> str:
        # With this line end both of its characters are put in quotes where they are data.
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=quoting).writerow(
            cells
        )
        return text.getvalue().removesuffix("\r\n")

    lines = [line(table.columns), *map(line, table.itertuples(index=False))]
    return "".join(text + line_end for text in lines).encode()


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


# Types that hold numbers, and cells for each; a forest takes a bool for 0 or 1.
NUMBERS = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(-3, 3, width=32),
    pa.float64(): st.floats(-LARGEST, LARGEST),
    pa.bool_(): st.booleans(),
    pa.null(): st.none(),
    pa.decimal128(12, 3): st.decimals(-1000, 1000, places=3),
    pa.string(): st.sampled_from(["1", " 2.5 ", "", "NA", "1e-3"]),
    pa.dictionary(pa.int8(), pa.float64()): st.floats(-3, 3),
}
MORE_NUMBERS = [
    (pa.float16(), st.floats(-3, 3, width=16).map(np.float16)),
    (pa.large_string(), st.sampled_from(["1", "-2"])),
]
NOT_NUMBERS = [
    (pa.float64(), st.sampled_from([float("inf"), 1e39])),
    (pa.string(), st.sampled_from(["x", "yes", "1,5"])),
    (pa.binary(), st.binary(max_size=3)),
    (pa.timestamp("ns"), st.just(0)),
    (pa.list_(pa.int8()), st.just([1])),
]
KEPT = [
    *NUMBERS.items(),
    *MORE_NUMBERS,
    *NOT_NUMBERS,
    (pa.string(), TEXT),
    (pa.binary(2), st.binary(min_size=2, max_size=2)),
    (pa.timestamp("ns", "UTC"), st.integers(-(2**63) + 1, 2**63 - 1)),
    (pa.date32(), st.integers(-(10**6), 10**6)),
    (pa.time64("us"), st.integers(0, 86_399_999_999)),
    (pa.duration("s"), st.integers(-5, 5)),
    (pa.struct([("a", pa.int8())]), st.just({"a": 1})),
    (pa.dictionary(pa.int8(), pa.string()), TEXT),
]


@st.composite
def parquet_tables(draw: Any, kinds: Any) -> pa.Table:
    """Draw a table with features of the given types, and with other columns of any type."""
    count = draw(st.integers(1, 6))

    def column(kind: pa.DataType, cells: Any) -> pa.Array:
        values = draw(st.lists(st.none() | cells, min_size=count, max_size=count))
        if pa.types.is_dictionary(kind):
            return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
        return pa.array(values, kind)

    columns = {name: column(*draw(st.sampled_from(kinds))) for name in FEATURES}
    for name in draw(st.lists(st.sampled_from(["label", "note", "", "ü.x"]), unique=True)):
        columns[name] = column(*draw(st.sampled_from(KEPT)))
    order = draw(st.permutations(list(columns)))
    return pa.table({name: columns[name] for name in order})


def as_floats(column: pa.ChunkedArray) -> list[float]:
    """Turn cells into numbers as Python reads them."""
    missing = (None, "", "NA")
    return [np.nan if cell in missing else float(cell) for cell in column.to_pylist()]


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


# --- tables that do not fit ------------------------------------------------------------------


def attempt(location: Path, output: Path, **request: Any) -> None:
    """Score; there is a whole output with all good rows, or a StepError and nothing."""
    before = {path.name for path in location.parent.iterdir()}
    try:
        result = score(location, output, **request)
    except StepError:
        assert {path.name for path in location.parent.iterdir()} == before
        return
    assert len(read(output)) == result.totals.written
    assert result.totals.written + result.totals.rejected == result.totals.read
    assert request.get("quarantine") or not result.totals.rejected


@given(
    table=parquet_tables([*NUMBERS.items(), *NOT_NUMBERS]),
    output=st.sampled_from(OUTPUTS),
    quarantine=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_any_parquet(table: pa.Table, output: str, quarantine: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, Path(folder, "t.parquet"))
        attempt(Path(folder, "t.parquet"), Path(folder, output), quarantine=quarantine)


RAW_CELL = st.one_of(
    st.sampled_from(["1", "2.5", "", " 3 ", "x", "inf", "1e39", "nan", '"', '"4"', '"a', 'a"b']),
    st.sampled_from(['"a"b', "\r", "\n", "\r\n", '"\n"', "true", "\0", "é", "\udce9", ",", ";;"]),
)
RAW_TEXT = st.lists(st.lists(RAW_CELL, min_size=3, max_size=8).map(",".join), max_size=8)


@given(
    rows=RAW_TEXT,
    header=st.sampled_from(["", "x,", ",", "label,note,", "plain,", '"a,', "é,"]),
    delimiter=st.sampled_from(",,,;|e1 "),
    quarantine=st.booleans(),
    output=st.sampled_from(OUTPUTS),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
)
@settings(max_examples=300, deadline=None)
@example(['1,2,3,4,"a'], "x,", ",", False, "p.csv", "\n")
@example(['1,2,3,4,"a', '1,2,3,4,"b'], "x,", ",", False, "p.csv", "\n")
@example(["1,2,3,4\r1,2,3,4"], "", ",", False, "p.csv", "\n")
@example([", 1 ,2,3,4", ",1,x,3,4"], ",", ",", True, "p.parquet", "\n")
def test_any_csv(
    rows: list[str], header: str, delimiter: str, quarantine: bool, output: str, line_end: str
) -> None:
    names = header + ",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in FEATURES)
    text = "".join(line + line_end for line in [names, *rows])
    with tempfile.TemporaryDirectory() as folder:
        location = Path(folder, "t.csv")
        location.write_bytes(text.encode("utf-8", "surrogateescape"))
        request = {"delimiter": delimiter, "quarantine": quarantine}
        attempt(location, Path(folder, output), **request)


@given(content=st.binary(min_size=1, max_size=200), suffix=st.sampled_from(["csv", "csv.gz", "pq"]))
@settings(max_examples=100, deadline=None)
def test_any_bytes(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        location = Path(folder, f"t.{suffix}")
        location.write_bytes(content)
        attempt(location, Path(folder, "p.csv"))


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
