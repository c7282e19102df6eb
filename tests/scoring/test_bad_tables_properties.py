"""Any table that does not fit is a one-line error that leaves nothing, never a traceback."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from steps.base.errors import StepError
from tests.scoring.any_table import (
    FEATURES,
    NOT_NUMBERS,
    NUMBERS,
    OUTPUTS,
    parquet_tables,
    read,
    score,
)

# scikit-learn adds up a column to see whether all of it is finite: float32's largest numbers of
# both signs make inf - inf of that, and then it looks at each.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")


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
