"""Inputs and outputs are checked before anything is trained or written."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import DIABETES, SMALL, RunStep, all_runs


def test_no_model_is_trained_for_an_input_that_is_not_there(
    run_step: RunStep, tmp_path: Path
) -> None:
    ended = run_step("batch_score", input="new.parquet")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"found nothing at new.parquet (relative paths start at {tmp_path})" in ended.err
    assert [run.data.tags["step"] for run in all_runs()] == ["batch_score"]


@pytest.mark.parametrize("step", ["batch_score", "main"])
@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"input": "new.parquet"}, "found nothing at new.parquet (relative paths start at "),
        ({"output": "fifo.csv"}, "found the FIFO fifo.csv"),
        (
            {"output": "p.csv", "on_bad_rows": "quarantine"},
            "found the FIFO p.csv.rejected.csv",
        ),
        ({"input": "t.csv", "output": "link.csv"}, "found that link.csv is t.csv"),
        ({"input": "*.csv", "output": "new.csv"}, "found that new.csv is one of *.csv"),
        ({"input": "file://{folder}/sub", "output": "sub/out"}, "found that sub/out lies in "),
        ({"input": "simplecache::file://{folder}/t.csv", "output": "t.csv"}, "t.csv is "),
        (
            {"input": "t.csv", "output": "t", "on_bad_rows": "quarantine"},
            "found that t.rejected.csv is t.csv",
        ),
    ],
)
def test_nothing_is_trained_or_written(
    step: str, parameters: dict[str, str], wanted: str, run_step: RunStep, tmp_path: Path
) -> None:
    content = DIABETES.read_bytes()
    Path("t.csv").write_bytes(content)
    Path("link.csv").symlink_to("t.csv")
    Path("t.rejected.csv").symlink_to("t.csv")
    Path("sub").mkdir()
    Path("sub/t.csv").write_bytes(content)
    os.mkfifo("fifo.csv")
    os.mkfifo("p.csv.rejected.csv")
    given = {name: value.replace("{folder}", str(tmp_path)) for name, value in parameters.items()}
    ended = run_step(step, **given)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert wanted in ended.err
    assert [run.data.tags["step"] for run in all_runs()] == [step]
    assert Path("t.csv").read_bytes() == content
    assert not Path("new.csv").exists()


def test_main_does_not_replace_its_table(run_step: RunStep) -> None:
    Path("t.csv").write_bytes(DIABETES.read_bytes())
    ended = run_step("main", data="t.csv", output="./t.csv", keep="none")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert Path("t.csv").read_bytes() == DIABETES.read_bytes()


@pytest.mark.parametrize("name", ["probability", "prediction"])
def test_main_sees_before_training_what_cannot_be_kept(name: str, run_step: RunStep) -> None:
    pd.read_csv(DIABETES).rename(columns={"Age": name}).to_csv("t.csv", index=False)
    ended = run_step("main", data="t.csv", **SMALL)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"expected no column named {name}, which scoring adds to a table" in ended.err
    assert not all_runs("train")


def test_main_sees_before_training_what_is_not_there_to_keep(run_step: RunStep) -> None:
    ended = run_step("main", data=DIABETES, keep="Id", **SMALL)
    assert ended.code == 2
    assert "parameter keep: expected column Id" in ended.err
    assert not all_runs("train")
