"""What a death, a full disk or company leaves of a scoring."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import DIABETES, PROJECT, RunStep
from tests.small_disk import small_disk

OUTPUT = "predictions.csv"
COPIES = 400


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table that takes a while to score."""
    frame = pd.concat([pd.read_csv(DIABETES)] * COPIES, ignore_index=True)
    # Numbers that differ: Parquet makes next to nothing of what repeats.
    frame["DiabetesPedigreeFunction"] = np.random.default_rng(0).random(len(frame))
    path = tmp_path_factory.mktemp("large") / "t.csv"
    frame.to_csv(path, index=False)
    return path


def batch_score(*arguments: str, limit: int | None = None) -> subprocess.Popen[str]:
    """Start batch_score in a process of its own, with no larger file than `limit` bytes."""

    def limit_files() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "steps.batch_score", *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit_files,
    )


@pytest.mark.parametrize("output", [OUTPUT, "p.parquet", "folder"])
def test_killed(output: str, train_id: str, run_step: RunStep, large: Path, tmp_path: Path) -> None:
    killed = batch_score(f"--model={train_id}", f"--input={large}", f"--output={output}")
    for _ in range(6000):
        if any(_size(part) for part in tmp_path.glob(f".{output}.*.part")):
            break
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -9
    assert not (tmp_path / output).exists()
    assert run_step("batch_score", model=train_id, input=large, output=output).code == 0
    path = tmp_path / output
    found = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    assert found["Age"].tolist() == pd.read_csv(large)["Age"].tolist()
    assert not list(tmp_path.glob(".*.part"))


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a real file system of 1 MB."""
    with small_disk(tmp_path / "disk", 1) as place:
        yield place


@pytest.mark.parametrize("output", [OUTPUT, "p.csv.gz", "p.parquet", "folder"])
def test_full_disk(
    output: str, train_id: str, run_step: RunStep, large: Path, tmp_path: Path, disk: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(large.read_bytes() + b"a bad row\n")
    place = disk / output
    ended = run_step("batch_score", input="t.csv", output=place, on_bad_rows="quarantine")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"could not write {place}: No space left on device; nothing was left there" in ended.err
    assert ended.run.info.status == "FAILED"
    assert list(disk.iterdir()) == []


def test_full_disk_under_temporary_files(
    train_id: str, run_step: RunStep, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (disk / "others").write_bytes(bytes(1_020_000))
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    ended = run_step("batch_score")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "No space left on device" in ended.err
    assert ended.run.info.status == "FAILED"
    assert [path.name for path in disk.iterdir()] == ["others"]


def test_file_size_limit(train_id: str, large: Path, tmp_path: Path) -> None:
    limited = batch_score(
        f"--model={train_id}", f"--input={large}", "--workspace=none", limit=3_000_000
    )
    _, err = limited.communicate(timeout=120)
    assert limited.returncode == 2
    assert err.count("\n") == 1
    assert f"could not write {OUTPUT}: File too large" in err
    assert not list(tmp_path.glob("*predictions*"))


def test_two_at_a_time(train_id: str, large: Path, tmp_path: Path) -> None:
    # A folder takes more steps to replace than a file.
    arguments = [f"--model={train_id}", f"--input={large}", "--output=folder"]
    both = [batch_score(*arguments, *more) for more in ((), ("--probabilities=all",))]
    for each in both:
        _, err = each.communicate(timeout=120)
        assert each.returncode == 0, err
    found = pd.read_parquet(tmp_path / "folder")
    assert len(found) == COPIES * 768
    assert list(found)[9:] in (
        ["prediction", "probability"],
        ["prediction", "probability_0", "probability_1"],
    )
    assert not list(tmp_path.glob(".*.part"))
