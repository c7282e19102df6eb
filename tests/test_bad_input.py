"""Bad input: one line on stderr, exit code 2, a FAILED run, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import DIABETES, PROJECT, SMALL, RunStep

GOOD = pd.read_csv(DIABETES)


def csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False)


TABLES: dict[str, tuple[str, dict[str, object], str]] = {
    "empty file": ("", {}, "found an empty file"),
    "header only": (csv(GOOD.head(0)), {}, "found a header only"),
    "wrong delimiter": (csv(GOOD).replace(",", ";"), {"delimiter": ","}, "is the delimiter ';'?"),
    "missing target": (csv(GOOD), {"target": "Outcom"}, "did you mean Outcome?"),
    "one class": (
        csv(GOOD.assign(Outcome=1)),
        {},
        "expected at least two classes in target Outcome, found 1: 1",
    ),
    "201 classes": (
        csv(GOOD.assign(Outcome=np.arange(768) % 201)),
        {"task": "classification"},
        "found 201: 0, 1",
    ),
    "texts that name rows": (
        csv(GOOD.assign(Outcome=[f"name {row}" for row in range(768)])),
        {},
        "expected at most 200 classes in target Outcome, found 768: name 0, name 1, name 10, "
        "name 100, name 101 …; merge rare ones, or choose another target",
    ),
    "free text only": (
        csv(GOOD[["Outcome"]].assign(note=[f"said {row} things" for row in range(768)])),
        {},
        "found none that tells rows apart (note: dropped, 768 different texts in 768 rows); add "
        "columns of numbers, dates or categories",
    ),
    "fractions": (
        csv(GOOD.assign(Outcome=0.5)),
        {"task": "classification"},
        "found numbers such as 0.5",
    ),
    "always the same number": (csv(GOOD.assign(Outcome=0.5)), {}, "found 0.5 in each row"),
    "text to measure": (
        csv(GOOD.assign(Outcome="a")),
        {"task": "regression"},
        "found a; leave out",
    ),
    "no class": (csv(GOOD.assign(Outcome=np.nan)), {}, "found none in any row"),
    "positive": (csv(GOOD), {"positive": "yes"}, "expected a class of target Outcome (0, 1)"),
    "all at once": (
        csv(GOOD.assign(Age=GOOD.Age + np.geomspace(1e39, 1e60, 768), Outcome=1)),
        {"drop": "Agee", "zero_as_missing": "BMJ", "split": "group:Agf"},
        "found 1: 1; parameter drop: expected column Agee, not found; did you mean Age?; expected "
        "a finite number up to 3.4e+38 in column Age, found 1e+39 in data row 1 and in 767 more "
        "(-P 'drop=Age' leaves it out); parameter split: expected column Agf, not found; did you "
        "mean Age?; parameter zero_as_missing (none if there is no such column): expected column "
        "BMJ, not found; did you mean BMI?",
    ),
    "reserved": (
        csv(GOOD.rename(columns={"Age": "probability"})),
        {"zero_as_missing": "none"},
        "expected no column named probability",
    ),
    "duplicate": (csv(GOOD).replace("Glucose", "Age", 1), {}, "found more than once: Age"),
    "zero column": (csv(GOOD), {"zero_as_missing": "Glucos"}, "did you mean Glucose?"),
    "no value": (
        csv(GOOD.assign(Insulin=0)[["Insulin", "Outcome"]]),
        {},
        "none that tells rows apart (Insulin: dropped, always 0)",
    ),
    "only target": (csv(GOOD[["Outcome"]]), {}, "expected feature columns"),
    "fields": (csv(GOOD) + "1,2,3\n", {}, "Expected 9 columns, got 3"),
    "few rows": (csv(GOOD.head(3)), {"zero_as_missing": "none"}, "expected enough rows"),
    "rare class": (
        csv(GOOD.assign(Outcome=GOOD.index < 3)),
        {"test_size": "0.1"},
        "test_size=0.1 of 768 rows: no held-out row is Outcome=True",
    ),
    "rare class to train on": (
        csv(GOOD.assign(Outcome=GOOD.index < 3)),
        {"test_size": "0.95"},
        "no training row is Outcome=True",
    ),
    "test_size": (
        csv(GOOD),
        {"test_size": "1.5"},
        "expected a number between 0 and 1, found '1.5'",
    ),
    "test_size text": (
        csv(GOOD),
        {"test_size": "a"},
        "expected a number between 0 and 1, found 'a'",
    ),
    "seed": (csv(GOOD), {"seed": "-1"}, "parameter seed: expected a whole number from 0"),
    "delimiter": (
        csv(GOOD),
        {"delimiter": "::"},
        "expected one ASCII character, or tab, found '::'",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_preprocess(case: str, run_step: RunStep, tmp_path: Path) -> None:
    content, parameters, message = TABLES[case]
    (tmp_path / "table.csv").write_text(content)
    ended = run_step("preprocess", data="table.csv", **parameters)
    assert message in ended.err
    assert (ended.code, ended.err.count("\n"), ended.err[:7]) == (2, 1, "error: ")
    assert all((run.info.status, run.data.metrics) == ("FAILED", {}) for run in ended.runs)


def test_image(run_step: RunStep, tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(b"\x89PNG")
    ended = run_step("preprocess", data="scan.png")
    assert ended.err == (
        "error: expected CSV, Parquet, Feather, ORC or JSON lines in scan.png, found an image; "
        "save the table as CSV or Parquet\n"
    )


def test_missing_file(run_step: RunStep) -> None:
    ended = run_step("preprocess", data="nowhere.csv")
    assert ended.code == 2
    assert "expected a file at nowhere.csv, found nothing there" in ended.err
    assert ended.run.info.status == "FAILED"


@pytest.mark.parametrize(("step", "name"), [("preprocess", "data"), ("batch_score", "input")])
@pytest.mark.parametrize("table", ["loop.csv", "loop/t.csv", "loop/*.csv"])
def test_a_loop_of_links(
    step: str, name: str, table: str, run_step: RunStep, tmp_path: Path
) -> None:
    (tmp_path / "loop.csv").symlink_to("pool.csv")
    (tmp_path / "pool.csv").symlink_to("loop.csv")
    (tmp_path / "loop").symlink_to("loop")
    ended = run_step(step, **{name: table})
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert f"found nothing {'at' if name == 'input' else 'there'}" in ended.err


def test_a_terminal_that_knows_only_ascii(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "steps.preprocess", "--data=größe.csv"],
        env=os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr.count(b"\n")) == (2, 1), ended.stderr
    assert rb"expected a file at gr\xf6\xdfe.csv, found nothing there" in ended.stderr


def test_truncated_parquet(run_step: RunStep, tmp_path: Path) -> None:
    GOOD.to_parquet(tmp_path / "table.parquet")
    whole = (tmp_path / "table.parquet").read_bytes()
    (tmp_path / "table.parquet").write_bytes(whole[:-100])
    ended = run_step("preprocess", data="table.parquet")
    assert ended.code == 2
    assert "expected a Parquet file in table.parquet" in ended.err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_depth": "0"}, "parameter max_depth: expected different whole numbers of at least 1"),
        ({"max_depth": "2,2"}, "expected different whole numbers"),
        ({"n_estimators": "many"}, "parameter n_estimators: expected different whole numbers"),
        ({"n_estimators": "none"}, "parameter n_estimators: expected different whole numbers"),
        ({"cv_folds": "1"}, "parameter cv_folds: expected a whole number of at least 2, found '1'"),
        (
            {"metric": "auc"},
            "expected auto, or one of roc_auc, precision, recall, f1, accuracy, log_loss",
        ),
    ],
)
def test_train(parameters: dict[str, str], message: str, run_step: RunStep) -> None:
    ended = run_step("train", **(SMALL | parameters))
    assert message in ended.err
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert all(run.info.status == "FAILED" for run in ended.runs)


def test_unknown_parameter(run_step: RunStep, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_step("train", depth=3)
    assert capfd.readouterr().err.startswith("error: unrecognized arguments: --depth=3")


def test_input_lacks_a_column(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    GOOD.drop(columns="Glucose").to_csv(tmp_path / "new.csv", index=False)
    ended = run_step("batch_score", input="new.csv")
    assert ended.code == 2
    assert "expected column Glucose, not found" in ended.err
    assert not (tmp_path / "predictions.csv").exists()


def test_unwritable_output(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder.csv").mkdir()
    for output in ("file/predictions.csv", "folder.csv"):
        ended = run_step("batch_score", output=output)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert ended.run.info.status == "FAILED"
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("step", "name"),
    [
        *(("preprocess", "data"), ("batch_score", "model"), ("batch_score", "input")),
        *(("batch_score", "output"), ("train", "workspace")),
    ],
)
@pytest.mark.parametrize("path", [f"{'é' * 128}.csv", f"file:///{'a' * 256}/", "a/" * 2049])
def test_a_path_that_no_file_can_have(step: str, name: str, path: str, run_step: RunStep) -> None:
    ended = run_step(step, **{name: path})
    assert (ended.code, ended.err.count("\n"), ended.runs) == (2, 1, [])
    assert ended.err.startswith(f"error: parameter {name}: expected a path")


def test_ctrl_c_while_a_script_is_still_importing(tmp_path: Path) -> None:
    (tmp_path / "mlflow.py").write_text("raise KeyboardInterrupt")
    ended = subprocess.run(
        [sys.executable, "-m", "steps.train"],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "interrupted\n")


def test_traceback_only_when_asked(capfd: pytest.CaptureFixture[str]) -> None:
    from steps.cli import launch
    from steps.store.chain import load

    assert launch(load("preprocess"), ["--data=nowhere.csv", "--debug"]) == 2
    assert "Traceback" in capfd.readouterr().err
