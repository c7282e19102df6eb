"""The user's own files in a project's folder are named before they are uploaded."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlflow_aml.project_files import list_files
from mlflow_aml.stray_files import LARGE_BYTES, stray_files

MLPROJECT = "entry_points: {main: {parameters: {data: {default: data/t.csv}}, command: x}}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "MLproject").write_text(MLPROJECT)
    for name in ("data/t.csv", "new.csv", "out/scored.PARQUET", "lib.py", "notes.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


def named(project: Path) -> list[str]:
    return [str(name) for name in stray_files(list_files(project))]


def test_what_looks_like_data_and_is_nobodys_default(project: Path) -> None:
    assert named(project) == ["new.csv", "out/scored.PARQUET"]


def test_what_git_tracks_belongs_to_the_project(project: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "add", "new.csv"], cwd=project, check=True)
    assert named(project) == ["out/scored.PARQUET"]


def test_what_is_large(project: Path) -> None:
    with (project / "model.bin").open("wb") as file:
        file.truncate(LARGE_BYTES)
    assert named(project) == ["model.bin", "new.csv", "out/scored.PARQUET"]


def test_what_stays_is_not_named(project: Path) -> None:
    (project / ".amlignore").write_text("out/\n*.csv\n")
    assert named(project) == []
