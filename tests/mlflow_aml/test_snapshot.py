"""What of a project is uploaded, and which parameters the cluster cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_aml.errors import AzureMLError
from mlflow_aml.parameters import parameters_for_job
from mlflow_aml.snapshot import check_size, take_snapshot

PROJECT = Path(__file__).parents[2]
SECRETS_AND_STATE = (
    "config.json",
    ".azureml/config.json",
    "sub/config.json",
    ".env",
    "mlflow.db",
    "mlruns/0/meta.yaml",
    "mlartifacts/0/x",
    ".venv/bin/python",
    ".git/HEAD",
    "steps/__pycache__/a.pyc",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    # tmp_path itself has a link to this project's data.
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def make(project: Path, *names: str, size: int = 1) -> None:
    for name in names:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def uploaded(project: Path) -> set[str]:
    return {str(name) for name in take_snapshot(project).sizes}


def test_secrets_and_local_state_stay_without_any_ignore_file(project: Path) -> None:
    make(project, "MLproject", "steps/a.py", "data/d.csv", *SECRETS_AND_STATE)
    assert uploaded(project) == {"MLproject", "steps/a.py", "data/d.csv"}


def test_secrets_stay_even_if_the_ignore_file_lets_them_in(project: Path) -> None:
    make(project, "MLproject", "config.json")
    (project / ".amlignore").write_text("!config.json\n")
    assert uploaded(project) == {"MLproject", ".amlignore"}


def test_amlignore_goes_before_gitignore(project: Path) -> None:
    make(project, "a.txt", "b.txt")
    (project / ".gitignore").write_text("a.txt\n")
    assert uploaded(project) == {".gitignore", "b.txt"}
    (project / ".amlignore").write_text("b.txt\n")
    assert uploaded(project) == {".gitignore", ".amlignore", "a.txt"}


def test_links_out_of_the_project_stay(tmp_path: Path) -> None:
    project = tmp_path / "project"
    make(tmp_path, "outside/patients.csv")
    make(project, "inside.csv")
    (project / "file.csv").symlink_to(tmp_path / "outside" / "patients.csv")
    (project / "folder").symlink_to(tmp_path / "outside")
    (project / "other.csv").symlink_to(project / "inside.csv")
    assert uploaded(project) == {"inside.csv", "other.csv"}


def test_the_copy_holds_the_listed_files_only(tmp_path: Path) -> None:
    project, copy = tmp_path / "project", tmp_path / "copy"
    make(project, "MLproject", "steps/a.py", "config.json")
    take_snapshot(project).copy_to(copy)
    found = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert found == {"MLproject", "steps/a.py"}


def test_this_project_uploads_what_a_job_needs() -> None:
    names = uploaded(PROJECT)
    assert {"MLproject", "conda.yaml", "data/diabetes.csv", "steps/__init__.py"} <= names
    assert not {name for name in names if name.startswith(("tests/", ".ci/", "predictions"))}


def test_too_large_names_the_heaviest_folders(project: Path) -> None:
    make(project, "big/a", "big/b", size=400)
    make(project, "small/a", "c", size=100)
    snapshot = take_snapshot(project)
    check_size(snapshot, 1000)
    with pytest.raises(AzureMLError, match=r"most of it: big/ .*, .*; name in \.amlignore"):
        check_size(snapshot, 999)


def test_parameters_name_files_as_the_job_sees_them(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside.csv"
    make(project, "data/d.csv")
    outside.write_text("x")
    snapshot = take_snapshot(project)
    given = {
        "relative": "data/d.csv",
        "absolute": str(project / "data" / "d.csv"),
        "file_uri": (project / "data" / "d.csv").as_uri(),
        "uri": "https://example.org/d.csv",
        "blob": "wasbs://c@a.blob.core.windows.net/d.csv",
        "word": "latest",
        "delimiter": "/",
        "json": '{"clf__max_depth": [3]}',
        "long": "1," * 5000,
        "missing": "/not/here.csv",
    }
    texts = parameters_for_job(given, snapshot, [], project)
    changed = {name: text for name, text in texts.items() if text != given[name]}
    assert changed == {"absolute": "data/d.csv", "file_uri": "data/d.csv"}


@pytest.mark.parametrize("form", ["{path}", "../outside.csv", "file://{path}"])
def test_a_file_outside_the_project_fails(tmp_path: Path, form: str) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("x")
    make(tmp_path / "project", "a")
    snapshot = take_snapshot(tmp_path / "project")
    with pytest.raises(AzureMLError, match=r"parameter data: .* not on the cluster, it is outside"):
        parameters_for_job({"data": form.format(path=outside)}, snapshot, [], tmp_path)


def test_a_file_that_is_left_out_fails(project: Path) -> None:
    make(project, "a", "new.csv")
    (project / ".amlignore").write_text("*.csv\n")
    with pytest.raises(AzureMLError, match="left out of the upload"):
        parameters_for_job({"input": "new.csv"}, take_snapshot(project), [], project)


def test_a_parameter_of_type_path_may_be_a_folder(tmp_path: Path) -> None:
    make(tmp_path / "project", "data/d.csv")
    make(tmp_path / "elsewhere", "d.csv")
    snapshot = take_snapshot(tmp_path / "project")
    here = tmp_path / "project"
    assert parameters_for_job({"p": "data"}, snapshot, ["p"], here) == {"p": "data"}
    with pytest.raises(AzureMLError, match="outside the project"):
        parameters_for_job({"p": "../elsewhere"}, snapshot, ["p"], here)
