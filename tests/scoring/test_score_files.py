"""Every kind of input to every kind of output, equal to pandas and scikit-learn row by row."""

from __future__ import annotations

import gzip
import resource
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from steps.base.errors import StepError, Unreadable
from tests.scoring.conftest import FEATURES, Score, assert_same, expected, read, rows

OUTPUTS = ("p.csv", "p.csv.gz", "p.parquet", "p")


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("input", ["t.csv", "t.csv.gz", "t.parquet"])
def test_same_as_the_notebook_way(input: str, output: str, score: Score, tmp_path: Path) -> None:
    # Several chunks of CSV, and several batches of Parquet.
    table = rows(150_000)
    path = tmp_path / input
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    result = score(path, output)
    assert_same(read(tmp_path / output), expected(table))
    assert (result.totals.read, result.totals.written) == (150_000, 150_000)
    assert not list(tmp_path.glob(".*"))


def test_folder_is_parquet_cut_into_parts(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.scoring.sinks.ROWS_PER_PART", 40_000)
    table = rows(100_000)
    table.to_parquet(tmp_path / "t.parquet")
    score(tmp_path / "t.parquet", "out")
    parts = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert parts == [f"part-00000{number}.parquet" for number in range(3)]
    assert pq.ParquetFile(tmp_path / "out" / parts[0]).metadata.num_rows == 40_000
    assert_same(read(tmp_path / "out"), expected(table))


@pytest.mark.parametrize("input", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("output", ["p.csv", "p.parquet"])
@pytest.mark.parametrize(
    ("keep", "kept"),
    [(None, [*FEATURES, "Outcome"]), ((), []), (("Outcome", "Age"), ["Outcome", "Age"])],
)
def test_keep(
    keep: tuple[str, ...] | None,
    kept: list[str],
    input: str,
    output: str,
    score: Score,
    tmp_path: Path,
) -> None:
    table = rows(100)
    path = tmp_path / input
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    score(path, output, keep=keep)
    assert_same(read(tmp_path / output), expected(table)[[*kept, "prediction", "probability"]])


def test_probabilities_of_all_classes(score: Score, tmp_path: Path) -> None:
    table = rows(100)
    table.to_csv(tmp_path / "t.csv", index=False)
    score(tmp_path / "t.csv", keep=(), all_probabilities=True)
    found = read(tmp_path / "predictions.csv")
    assert list(found) == ["prediction", "probability_0", "probability_1"]
    np.testing.assert_array_equal(found["probability_1"], expected(table)["probability"])


def test_other_order_and_other_columns(score: Score, tmp_path: Path) -> None:
    table = rows(50)[[*FEATURES[::-1]]].assign(name='Ann, "A"\nLee', code="007")
    table.to_csv(tmp_path / "t.csv", index=False)
    score(tmp_path / "t.csv")
    found = pd.read_csv(
        tmp_path / "predictions.csv", dtype={"code": str}, float_precision="round_trip"
    )
    assert_same(found, expected(table))
    score(tmp_path / "t.csv", "p.parquet", keep=("code", "name"))
    assert read(tmp_path / "p.parquet")["code"].unique().tolist() == ["007"]
    score(tmp_path / "t.csv", "q.csv", keep=("name", "code"))
    found = pd.read_csv(tmp_path / "q.csv", dtype=str)
    assert found["name"].unique().tolist() == ['Ann, "A"\nLee']


def test_text_of_kept_columns_is_not_touched(score: Score, tmp_path: Path) -> None:
    lines = [
        "id," + ",".join(FEATURES),
        "007,1,85.50,66,29,0,26.60,0.351,31",
        "é,,+1.5e1,66,29,0,26.6,.351,31",
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    score(tmp_path / "t.csv")
    found = (tmp_path / "predictions.csv").read_text().splitlines()
    assert [line.rsplit(",", 2)[0] for line in found] == lines


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n", 3),
        lambda text: text + "\n\n\n",
        lambda text: text.replace("33.6", '"33.6"'),
    ],
    ids=["CRLF", "byte order mark", "no last line end", "blank lines", "blank end", "quotes"],
)
@pytest.mark.parametrize("output", ["p.csv", "p.parquet"])
def test_dialects(rewrite: Callable[[str], str], output: str, score: Score, tmp_path: Path) -> None:
    table = rows(300)
    text = rewrite(table.to_csv(index=False))
    (tmp_path / "t.csv").write_bytes(text.encode())
    score(tmp_path / "t.csv", output)
    assert_same(read(tmp_path / output), expected(table))


def test_other_delimiter(score: Score, tmp_path: Path) -> None:
    table = rows(100)
    table.to_csv(tmp_path / "t.csv", index=False, sep=";")
    score(tmp_path / "t.csv", delimiter=";")
    assert_same(read(tmp_path / "predictions.csv"), expected(table))
    with pytest.raises(StepError, match="is the delimiter ';'"):
        score(tmp_path / "t.csv")


def test_missing_values(score: Score, tmp_path: Path) -> None:
    table = rows(500).astype("float64")
    table = table.mask(np.random.default_rng(1).random(table.shape) < 0.3)
    for word in ("", "NA", "nan", " null "):
        table.to_csv(tmp_path / "t.csv", index=False, na_rep=word)
        score(tmp_path / "t.csv", keep=())
        wanted = expected(table)[["prediction", "probability"]]
        assert_same(read(tmp_path / "predictions.csv"), wanted)


def test_types_of_parquet_columns(score: Score, tmp_path: Path) -> None:
    table = rows(100).astype({"Age": "int8", "Pregnancies": "float32", "BMI": "str"})
    table["when"] = pd.Timestamp("2026-01-02 03:04:05")
    table["sure"] = [True, False] * 50
    table["kind"] = pd.Categorical(["a", "b,c"] * 50)
    table.to_parquet(tmp_path / "t.parquet")
    wanted = expected(table)
    score(tmp_path / "t.parquet", "p.parquet")
    assert_same(read(tmp_path / "p.parquet"), wanted)
    score(tmp_path / "t.parquet", "p.csv")
    found = read(tmp_path / "p.csv")
    assert found["sure"].tolist() == table["sure"].tolist()
    assert found["kind"].tolist() == table["kind"].tolist()
    assert found["probability"].tolist() == wanted["probability"].tolist()


def test_nulls_in_columns_of_any_type(score: Score, tmp_path: Path) -> None:
    table = rows(100).mask(np.random.default_rng(2).random((100, 9)) < 0.3).astype("float64")
    nullable = table.astype({"Age": "Int8", "Insulin": "Int64", "Glucose": "Float32"})
    nullable["Pregnancies"] = nullable["Pregnancies"].clip(upper=1).astype("boolean")
    nullable.to_parquet(tmp_path / "t.parquet")
    score(tmp_path / "t.parquet", "p.parquet", keep=())
    wanted = expected(table.assign(Pregnancies=table["Pregnancies"].clip(upper=1)))
    assert_same(read(tmp_path / "p.parquet"), wanted[["prediction", "probability"]])


def test_many_files_in_the_order_of_their_names(score: Score, tmp_path: Path) -> None:
    table = rows(3_000)
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    table[:1000].to_csv(folder / "a.csv", index=False)
    # Another order of columns in a second file, another compression in a third.
    table[1000:2000][[*FEATURES[::-1], "Outcome"]].to_csv(folder / "b.csv", index=False)
    table[2000:].to_csv(folder / "sub" / "c.csv.gz", index=False)
    (folder / "_SUCCESS").touch()
    (folder / ".b.csv.crc").write_text("no table")
    (folder / "notes.txt").write_text("no table")
    for location in (folder, f"file://{folder}", f"{folder}/**/*.csv*"):
        score(location)
        assert_same(read(tmp_path / "predictions.csv"), expected(table))
    score(f"{folder}/?.csv")
    assert len(read(tmp_path / "predictions.csv")) == 2000


def test_parquet_set(score: Score, tmp_path: Path) -> None:
    table = rows(2_000)
    (tmp_path / "in").mkdir()
    table[:1500].to_parquet(tmp_path / "in" / "part-0.parquet", row_group_size=400)
    table[1500:].to_parquet(tmp_path / "in" / "part-1.parquet")
    score(tmp_path / "in", "p.parquet")
    assert_same(read(tmp_path / "p.parquet"), expected(table))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_any_file_system(name: str, score: Score, tmp_path: Path) -> None:
    table = rows(2_000)
    path = tmp_path / name
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/in/{name}", path.read_bytes())
    result = score(f"memory://in/{name}")
    assert_same(read(tmp_path / "predictions.csv"), expected(table))
    assert len(result.digest) == 64


def test_digest_is_that_of_the_file(score: Score, tmp_path: Path) -> None:
    import hashlib

    table = rows(100)
    for name in ("t.csv", "t.csv.gz", "t.parquet"):
        path = tmp_path / name
        table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
        assert score(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


# --- what is refused -------------------------------------------------------------------------


def test_names_of_the_outputs_own_columns(score: Score, tmp_path: Path) -> None:
    rows(10).assign(probability=0.5).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(StepError, match=r"no input column named probability.*-P 'keep=Preg"):
        score(tmp_path / "t.csv")
    score(tmp_path / "t.csv", keep=("Age",))


def test_nothing_to_read(score: Score, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "header.csv").write_text(",".join(FEATURES) + "\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StepError, match="found an empty file"):
        score(tmp_path / "empty.csv")
    with pytest.raises(StepError, match="found a header only"):
        score(tmp_path / "header.csv")
    for nowhere in ("folder", "missing.csv", "*.parquet"):
        with pytest.raises(Unreadable, match="found nothing at"):
            score(tmp_path / nowhere)
    with pytest.raises(Unreadable, match="could not read nosuch://x"):
        score("nosuch://x?sig=secret")
    assert not (tmp_path / "predictions.csv").exists()


def test_files_that_do_not_belong_together(score: Score, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rows(10).to_csv(folder / "a.csv", index=False)
    rows(10).assign(extra=1).to_csv(folder / "b.csv", index=False)
    with pytest.raises(StepError, match=r"expected the columns of .*a\.csv.*found extra.*b\.csv"):
        score(folder)
    rows(10).to_parquet(folder / "b.csv")
    with pytest.raises(StepError, match="expected files of one format"):
        score(folder)


def test_suffix_of_the_output(score: Score, tmp_path: Path) -> None:
    rows(10).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(StepError, match=r"expected an output named \.csv"):
        score(tmp_path / "t.csv", "p.xlsx")


def test_folder_with_other_files_is_not_replaced(score: Score, tmp_path: Path) -> None:
    rows(10).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(StepError, match=r"found the file thesis\.tex"):
        score(tmp_path / "t.csv", "out")
    (tmp_path / "out" / "thesis.tex").unlink()
    score(tmp_path / "t.csv", "out")
    score(tmp_path / "t.csv", "out")
    assert len(read(tmp_path / "out")) == 10


def test_compressed_file_cut_off(score: Score, tmp_path: Path) -> None:
    whole = gzip.compress(rows(100_000).to_csv(index=False).encode())
    (tmp_path / "t.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StepError, match=r"could not read .*t\.csv\.gz from line \d+ on.*complete"):
        score(tmp_path / "t.csv.gz")
    assert not (tmp_path / "predictions.csv").exists()


@pytest.mark.parametrize("output", ["set", "p.parquet", "p.csv", "p.csv.gz"])
def test_full_disk_leaves_neither_output_nor_quarantine(
    output: str, score: Score, tmp_path: Path
) -> None:
    # Few rows: they stay in memory until the output is closed.
    frame = rows(40).astype({"Glucose": object})
    frame.loc[3, "Glucose"] = "high"
    frame.to_csv(tmp_path / "t.csv", index=False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, before[1]))
    try:
        with pytest.raises(StepError, match=f"could not write .*/{output}: File too large"):
            score(tmp_path / "t.csv", output, quarantine=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "t.csv"]
