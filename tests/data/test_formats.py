"""Files of other people: encodings, compressions, delimiters, decimal marks, formats."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pytest

from steps.base.errors import StepError
from steps.data.text_files import Utf8, parse_encoding
from tests.data.tables import prepared

FRAME = pd.DataFrame({"größe": [1.5, 2.5, 3.5] * 9, "farbe": ["rot", "grün", "blau"] * 9})
FRAME["y"] = [0, 1] * 13 + [0]
TEXT = FRAME.to_csv(index=False)


def zipped(content: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", content)
        archive.writestr("__MACOSX/._table.csv", "x")


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (TEXT.encode("utf-8-sig"), {}),
        (TEXT.encode("utf-16"), {}),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), {}),
        (TEXT.encode("utf-32"), {}),
        (TEXT.encode("cp1252"), {"encoding": "cp1252"}),
        (TEXT.replace(",", ";").replace(".", ",").encode(), {}),
        (TEXT.replace(",", "\t").encode(), {}),
        (TEXT.replace(",", "|").encode(), {}),
    ],
)
def test_text_of_any_kind(content: bytes, asked: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert prepared(path, asked=asked).table.to_pydict() == FRAME.to_dict("list")


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".csv.gz", lambda path: path.write_bytes(gzip.compress(TEXT.encode()))),
        (".csv.bz2", lambda path: path.write_bytes(bz2.compress(TEXT.encode()))),
        (".csv.xz", lambda path: path.write_bytes(lzma.compress(TEXT.encode("utf-16")))),
        (".csv.gz", lambda path: path.write_bytes(gzip.compress(TEXT.encode("utf-16")))),
        (".zip", lambda path: zipped(TEXT.encode(), path)),
        (".feather", lambda path: pyarrow.feather.write_feather(pa.table(FRAME), path)),
        (".orc", lambda path: pyarrow.orc.write_table(pa.table(FRAME), path)),
        (".jsonl", lambda path: FRAME.to_json(path, orient="records", lines=True)),
        (".parquet", lambda path: FRAME.to_parquet(path)),
    ],
)
def test_files_of_any_kind(suffix: str, write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / f"t{suffix}"
    write(path)
    assert prepared(path).table.to_pydict() == FRAME.to_dict("list")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"PK", "found a spreadsheet; save the table as CSV or Parquet"),
        ("t.zip", b"PK", r"could not read t\.zip"),
        ("t.csv.xz", b"PK", r"could not read t\.csv\.xz"),
        ("t.feather", b"PK", "expected a Feather"),
        ("t.json", b"[1", "expected one JSON object a line"),
        ("t.csv", TEXT.encode("latin-1"), r"expected .*UTF-8.* in t\.csv"),
        ("t.csv", TEXT.encode("utf-16")[:-1], r"in t\.csv"),
    ],
)
def test_what_is_no_table_is_told_in_a_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StepError, match=message):
        prepared(tmp_path / name)


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["0,5", "1.234,5", "-2"], [0.5, 1234.5, -2.0]),
        (["0,5 €", "1.234,5 €", "-2 €"], [0.5, 1234.5, -2.0]),
        (["1,234", "2,345,678", "9"], [1234.0, 2345678.0, 9.0]),
        (["1,5", "2.5", "3"], None),
    ],
)
def test_decimal_mark(cells: list[str], read: list[float] | None, tmp_path: Path) -> None:
    rows = [f"{cell};{row % 2}\n" for row, cell in enumerate(cells * 9)]
    (tmp_path / "t.csv").write_text("x;y\n" + "".join(rows))
    made = prepared(tmp_path / "t.csv")
    if read is None:
        assert made.schema.categories == ("x",)
    else:
        assert made.table["x"].to_pylist()[:3] == read


def test_text_is_decoded_as_it_is_read(tmp_path: Path) -> None:
    text = "é" * 3_000_000
    (tmp_path / "t").write_bytes(text.encode("utf-16"))
    with (tmp_path / "t").open("rb") as raw:
        stream = Utf8(raw)
        pieces = iter(lambda: stream.read(1000), b"")
        first = next(pieces)
        assert raw.tell() < 10_000
        assert (first + b"".join(pieces)).decode() == text


def test_encodings() -> None:
    assert parse_encoding("latin-1") == "latin-1"
    for value in ("hex", "none", "utf-99", "a\0b"):
        with pytest.raises(ValueError, match="auto, or an encoding"):
            parse_encoding(value)
