"""Tables drawn at random, in files, with a model to score them; for the property tests."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from steps.data.schema import Schema
from steps.data.texts import LARGEST
from steps.model.pipeline import build_pipeline
from steps.scoring import input_files, score_files
from steps.scoring.plan import Request
from steps.scoring.predictor import Predictor

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
# A file cannot hold surrogates.
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
        drawn: list[Any] = draw(st.lists(cells, min_size=count, max_size=count))
        return drawn

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
    """Return the features in the types and the order of the training."""
    return table[list(FEATURES)].astype("float64")


def score(location: Path, output: Path, **request: Any) -> score_files.ScoringResult:
    chosen = Request(output, **({"delimiter": ","} | request))
    return score_files.score_files(
        input_files.find_files(str(location)), PREDICTOR, SCHEMA, chosen, None
    )


def read(path: Path) -> pd.DataFrame:
    """Read an output; all that is kept of a CSV is text."""
    if path.is_dir() or path.suffix == ".parquet":
        table: pd.DataFrame = pq.read_table(path).to_pandas()
        return table
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
    # Python, by which they are read back, knows no year before 1.
    (pa.date32(), st.integers(-719_162, 10**6)),
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
