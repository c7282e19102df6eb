"""The same function over a Dask cluster's processes gives what the stream gives here."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steps.base.errors import StepError
from steps.scoring import stream
from steps.scoring.csv_table import CsvTable
from steps.scoring.dask_scoring import score_section
from steps.scoring.input_files import Digests, find_files
from steps.scoring.plan import Request, open_table, plan
from steps.scoring.predictor import Predictor
from tests.base.test_dask_cluster import elsewhere, unused_port  # noqa: F401 - fixtures
from tests.scoring.conftest import PIPELINE, SCHEMA, Score, assert_same, expected, read, rows

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_equal_to_the_local_result(
    name: str, score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.scoring.dask_scoring.CSV_SECTION_BYTES", 2 << 20)
    table = rows(150_000)
    path = tmp_path / name
    if path.suffix == ".parquet":
        table.to_parquet(path, row_group_size=40_000)
    else:
        table.to_csv(path, index=False)
    local = score(path, "local")
    spread = score(path, "spread", scheduler="local")
    assert_same(read(tmp_path / "spread"), expected(table))
    assert_same(read(tmp_path / "spread"), read(tmp_path / "local"))
    parts = {"t.csv": 2, "t.csv.gz": 1, "t.parquet": 4}
    assert len(list((tmp_path / "spread").iterdir())) == parts[name]
    assert spread.digest == local.digest
    np.testing.assert_array_equal(spread.totals.predicted, local.totals.predicted)
    assert [each.psi for each in spread.drift] == [each.psi for each in local.drift]
    here, there = local.totals.labelled.total(), spread.totals.labelled.total()
    assert here is not None
    assert there is not None
    assert there.scores() == here.scores()


def test_bad_rows(score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.scoring.dask_scoring.CSV_SECTION_BYTES", 2 << 20)
    table = rows(150_000)
    lines = table.to_csv(index=False).splitlines()
    lines.insert(100_000, "bad")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(StepError, match=r"t\.csv, row 100000 \(line 100001\): expected 9 fields"):
        score(tmp_path / "t.csv", "out", scheduler="local")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
    score(tmp_path / "t.csv", "out", scheduler="local", quarantine=True)
    assert_same(read(tmp_path / "out"), expected(table))
    rejected = pd.read_csv(tmp_path / "out.rejected.csv")
    assert rejected[["row", "line"]].to_numpy().tolist() == [[100_000, 100_001]]


def test_no_room_for_a_part_of_a_worker(tmp_path: Path) -> None:
    rows(1_000).to_csv(tmp_path / "t.csv", index=False)
    request = Request(tmp_path / "out", delimiter=",")
    table = open_table(find_files(str(tmp_path / "t.csv")), ",", "auto")
    selection, layout = plan(table, SCHEMA, request)
    assert isinstance(table, CsvTable)
    with Digests() as digests:
        (section,) = table.sections(digests, 1 << 20)
    scorer = stream.Scorer(Predictor(PIPELINE, SCHEMA, 0.5), selection, None, None)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, before[1]))
    try:
        with pytest.raises(StepError, match=r"could not write .*part-0\.parquet: File too large"):
            score_section(section, scorer, str(tmp_path / "part-0.parquet"), layout)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_one_file_is_written_on_this_machine(score: Score, tmp_path: Path) -> None:
    table = rows(100)
    table.to_csv(tmp_path / "t.csv", index=False)
    score(tmp_path / "t.csv", "p.csv", scheduler="tcp://127.0.0.1:1")
    assert_same(read(tmp_path / "p.csv"), expected(table))


def test_cluster_that_does_not_know_the_project(
    elsewhere: str,  # noqa: F811
    score: Score,
    tmp_path: Path,
) -> None:
    table = rows(1_000)
    table.to_csv(tmp_path / "t.csv", index=False)
    score(tmp_path / "t.csv", "out", scheduler=elsewhere)
    assert_same(read(tmp_path / "out"), expected(table))
