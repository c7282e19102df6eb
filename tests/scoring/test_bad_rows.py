"""Bad rows: an error that names file and row and leaves nothing, or a quarantine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steps.base.errors import StepError
from tests.scoring.conftest import FEATURES, Score, assert_same, expected, read, rows

# Far enough down to be in a later chunk than the first.
ROW = 100_000
COUNT = 150_000

BAD = {
    "too few fields": ("1,2,3", "expected 9 fields, found 3"),
    "too many fields": ("1,2,3,4,5,6,7,8,9,10", "expected 9 fields, found 10"),
    "text": ("1,85,66,29,0,26.6,x1,31,0", "number in column DiabetesPedigreeFunction, found 'x1'"),
    "decimal comma": ('1,85,66,29,0,"26,6",0.3,31,0', "number in column BMI, found '26,6'"),
    "infinite": (
        "1,85,66,29,0,inf,0.3,31,0",
        "finite number up to 3.4e+38 in column BMI, found inf",
    ),
    "too large": ("1,85,66,29,0,-1e39,0.3,31,0", "in column BMI, found -1e39"),
    "open quote": ('1,85,66,29,0,"26.6,0.3,31,0', "found a broken quote"),
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return rows(COUNT)


@pytest.fixture(scope="module")
def lines(table: pd.DataFrame) -> list[str]:
    return table.to_csv(index=False).splitlines()


def with_bad_row(lines: list[str], bad: str) -> str:
    # Row 1 is line 2, so this one takes the place after ROW - 1 good rows.
    return "\n".join([*lines[:ROW], bad, *lines[ROW:]]) + "\n"


@pytest.mark.parametrize("case", BAD)
def test_csv(case: str, lines: list[str], score: Score, tmp_path: Path) -> None:
    bad, message = BAD[case]
    (tmp_path / "t.csv").write_text(with_bad_row(lines, bad))
    for output in ("p.csv", "p.parquet", "p"):
        (tmp_path / "kept.csv").write_text("of before")
        with pytest.raises(StepError) as raised:
            score(tmp_path / "t.csv", output)
        assert re.search(rf"t\.csv, row {ROW} \(line {ROW + 1}\): ", str(raised.value))
        assert message in str(raised.value)
        assert "on_bad_rows=quarantine" in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "data") == [
        "kept.csv",
        "t.csv",
    ]


def test_old_output_stays(lines: list[str], score: Score, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(with_bad_row(lines, "bad"))
    (tmp_path / "predictions.csv").write_text("of before")
    with pytest.raises(StepError):
        score(tmp_path / "t.csv")
    assert (tmp_path / "predictions.csv").read_text() == "of before"


@pytest.mark.parametrize("output", ["p.csv", "p.csv.gz", "p.parquet", "p"])
def test_quarantine(
    output: str, table: pd.DataFrame, lines: list[str], score: Score, tmp_path: Path
) -> None:
    mixed = lines.copy()
    # One bad row of each kind, spread over the file, the first and the last row among them.
    places = np.linspace(1, len(mixed), len(BAD)).astype(int)
    for number, (place, (bad, _)) in enumerate(zip(places, BAD.values(), strict=True)):
        mixed.insert(place + number, bad)
    (tmp_path / "t.csv").write_text("\n".join(mixed) + "\n")
    result = score(tmp_path / "t.csv", output, quarantine=True)
    assert (result.totals.rejected, result.totals.written) == (len(BAD), COUNT)
    assert_same(read(tmp_path / output), expected(table))
    rejected = pd.read_csv(tmp_path / f"{output}.rejected.csv")
    assert rejected["row"].tolist() == [place + number for number, place in enumerate(places)]
    assert rejected["line"].tolist() == [row + 1 for row in rejected["row"]]
    assert rejected["text"].tolist() == [bad for bad, _ in BAD.values()]
    for reason, (_, message) in zip(rejected["reason"], BAD.values(), strict=True):
        assert message in reason


def test_quarantine_of_everything(score: Score, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",".join(FEATURES) + "\na,b\nc,d\n")
    result = score(tmp_path / "t.csv", quarantine=True)
    assert (result.totals.rejected, result.totals.written) == (2, 0)
    assert len(read(tmp_path / "predictions.csv")) == 0


def test_rows_are_counted_in_each_file(score: Score, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    good = rows(10).to_csv(index=False)
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.csv").write_text(good + "bad\n")
    score(tmp_path / "in", quarantine=True)
    rejected = pd.read_csv(tmp_path / "predictions.csv.rejected.csv")
    assert [Path(file).name for file in rejected["file"]] == ["a.csv", "b.csv"]
    assert rejected["row"].tolist() == [11, 11]


def test_line_numbers_count_blank_and_quoted_lines(score: Score, tmp_path: Path) -> None:
    table = rows(3).assign(note="two\nlines")
    text = table.to_csv(index=False).replace("Outcome,note\n", "Outcome,note\n\n")
    (tmp_path / "t.csv").write_text(text + "bad\n")
    with pytest.raises(StepError, match=r"row 4 \(line 9\): expected 10 fields, found 1"):
        score(tmp_path / "t.csv")


def test_a_stray_quote_does_not_take_other_rows_along(score: Score, tmp_path: Path) -> None:
    table = rows(1_000).assign(note='5" pipe')
    text = table.to_csv(index=False, quoting=3, escapechar="\\").replace('\\"', '"')
    (tmp_path / "t.csv").write_text(text + "bad\n")
    result = score(tmp_path / "t.csv", quarantine=True)
    assert (result.totals.written, result.totals.rejected) == (1_000, 1)


@pytest.mark.parametrize("seed", range(20))
def test_rows_and_lines_where_quotes_are_never_closed(
    seed: int, score: Score, tmp_path: Path
) -> None:
    random = np.random.default_rng(seed)
    header, *lines = rows(40, seed).to_csv(index=False).splitlines()
    header, good = f"{header},note", [f'{line},"two\nlines, ""more"""\n' for line in lines]
    bad = ['1,2,"open\n', '1,"broken"x,2\n', '"a""b\n']
    text, wanted, number_of_line = header + "\n", [], 2
    for number in range(60):
        is_bad = random.random() < 0.4 or not good
        row = bad[random.integers(len(bad))] if is_bad else good.pop()
        wanted += [(number + 1, number_of_line, row.rstrip("\n"))] if is_bad else []
        text, number_of_line = text + row, number_of_line + row.count("\n")
    (tmp_path / "t.csv").write_text(text)
    for output in ("p.csv", "p.parquet"):
        score(tmp_path / "t.csv", output, quarantine=True)
        rejected = pd.read_csv(tmp_path / f"{output}.rejected.csv")
        assert list(rejected[["row", "line", "text"]].itertuples(index=False, name=None)) == wanted


def test_text_that_is_not_utf8(score: Score, tmp_path: Path) -> None:
    text = rows(3).assign(name=["Ann", "Zoë", "Lee"]).to_csv(index=False)
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    # What is passed on as it is needs no encoding; a Parquet column does.
    score(tmp_path / "t.csv")
    assert "Zoë" in (tmp_path / "predictions.csv").read_text("latin-1")
    with pytest.raises(StepError, match=r"row 2 \(line 3\): expected UTF-8 text"):
        score(tmp_path / "t.csv", "p.parquet")


@pytest.mark.parametrize("bad", [np.inf, -1e39])
def test_parquet_value(bad: float, score: Score, tmp_path: Path) -> None:
    table = rows(COUNT)
    broken = table.astype({"BMI": "float64"})
    broken.loc[ROW, "BMI"] = bad
    broken.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(StepError, match=rf"t\.parquet, row {ROW + 1}: expected a finite number"):
        score(tmp_path / "t.parquet")
    score(tmp_path / "t.parquet", "p.parquet", quarantine=True)
    assert_same(read(tmp_path / "p.parquet"), expected(table).drop(ROW).reset_index(drop=True))


def test_parquet_text(score: Score, tmp_path: Path) -> None:
    table = rows(100).astype({"Age": "str"})
    table.loc[7, "Age"] = "old"
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(StepError, match=r"row 8: expected a number in column Age, found 'old'"):
        score(tmp_path / "t.parquet")
    table.assign(Age=pd.Timestamp(0)).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(StepError, match=r"expected numbers in column Age of .*found timestamp"):
        score(tmp_path / "t.parquet")


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_parquet_cut_off(share: float, score: Score, tmp_path: Path) -> None:
    rows(COUNT).to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StepError, match=r"complete Parquet file in .*t\.parquet.*none of its rows"):
        score(tmp_path / "t.parquet")


def test_parquet_damaged_in_the_middle(score: Score, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: random.random(COUNT) for name in FEATURES})
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=10_000, compression="snappy")
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    middle = len(content) * 2 // 3
    content[middle : middle + 200_000] = bytes(200_000)
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(StepError, match=r"could not read .*t\.parquet from row \d+ on"):
        score(tmp_path / "t.parquet")
    assert not (tmp_path / "predictions.csv").exists()
