"""What a project declares as its environment, turned into a job's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.projects._project_spec import load_project

from mlflow_aml.environment import BASE_IMAGE, JobEnvironment, declared_environment
from mlflow_aml.errors import AzureMLError


def declared(folder: Path, files: dict[str, str], *, nodes: int = 1) -> JobEnvironment:
    for name, content in files.items():
        (folder / name).write_text(content)
    return declared_environment(load_project(str(folder)), None, nodes, {"HERE": "yes"})


def packages(environment: JobEnvironment) -> list[Any]:
    content: dict[str, Any] = yaml.safe_load(environment.conda)
    *conda, pip = content["dependencies"]
    return [*conda, *pip["pip"]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_conda_env(project: Path) -> None:
    conda = "name: x\nprefix: /home/me\ndependencies: [python=3.11, pip, {pip: [azureml-mlflow]}]"
    environment = declared(project, {"MLproject": "conda_env: c.yaml", "c.yaml": conda})
    assert environment.image == BASE_IMAGE
    assert packages(environment) == ["python=3.11", "pip", "azureml-mlflow"]
    assert yaml.safe_load(environment.conda).keys() == {"channels", "dependencies"}


def test_what_a_job_needs_is_added_and_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"MLproject": "conda_env: c.yaml", "c.yaml": "dependencies: [python=3.11, numpy]"}
    environment = declared(project, files, nodes=2)
    assert packages(environment)[:3] == ["python=3.11", "numpy", "pip"]
    assert [text.partition("==")[0] for text in packages(environment)[3:]] == [
        "azureml-mlflow",
        "distributed",
    ]
    said = capsys.readouterr().err
    assert "c.yaml does not name azureml-mlflow and distributed" in said


def test_python_env_with_requirements_files(project: Path) -> None:
    python_env = "python: '3.10'\nbuild_dependencies: [pip]\ndependencies: ['-r requirements.txt']"
    files = {
        "MLproject": "python_env: python_env.yaml",
        "python_env.yaml": python_env,
        "requirements.txt": "# what\nmlflow>=2  # new\n-r more.txt\n-c constraints.txt\n",
        "more.txt": "scikit-learn==1.9.1\nAzureML_MLflow\n",
    }
    environment = declared(project, files)
    assert packages(environment) == [
        *("python=3.10", "pip", "pip", "mlflow>=2,<3"),
        *("scikit-learn==1.9.1", "AzureML_MLflow"),
    ]
    # The content counts, not the file's name.
    assert environment.digest == declared(project, files).digest
    files["more.txt"] = "scikit-learn==1.9.0\nAzureML_MLflow\n"
    assert environment.digest != declared(project, files).digest


@pytest.mark.parametrize(
    ("named", "taken"),
    [
        ("mlflow", "mlflow<3"),
        ("mlflow>=1.0", "mlflow>=1.0,<3"),
        ("mlflow[extras]", "mlflow[extras]<3"),
        ("mlflow-skinny", "mlflow-skinny<3"),
        *((same, same) for same in ("mlflow==3.15.0", "mlflow>=3", "mlflow<4", "mlflow-other")),
    ],
)
def test_an_open_version_of_mlflow_is_one_that_azure_serves(
    project: Path, capsys: pytest.CaptureFixture[str], named: str, taken: str
) -> None:
    for conda in (
        f"[pip, azureml-mlflow, '{named}']",
        f"[pip, {{pip: [azureml-mlflow, '{named}']}}]",
    ):
        files = {"MLproject": "conda_env: c.yaml", "c.yaml": f"dependencies: {conda}"}
        environment = declared(project, files)
        assert f"- {taken}\n" in environment.conda
        said = capsys.readouterr().err
        assert (f"c.yaml names {named}, which the job takes below 3" in said) == (named != taken)


def test_a_requirements_file_that_is_not_there(project: Path) -> None:
    files = {
        "MLproject": "python_env: python_env.yaml",
        "python_env.yaml": "dependencies: ['-r requirements.txt']",
    }
    with pytest.raises(AzureMLError, match=r"names '-r requirements.txt', expected the file"):
        declared(project, files)


def test_docker_env(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker = "docker_env: {image: an-image, volumes: ['/a:/b'], environment: [[A, '1'], HERE]}"
    environment = declared(project, {"MLproject": docker})
    assert environment == JobEnvironment("an-image", "", (("A", "1"), ("HERE", "yes")))
    assert environment.body == {"properties": {"image": "an-image"}}
    assert "volumes of docker_env are left out" in capsys.readouterr().err
    with pytest.raises(AzureMLError, match="asks for the variable GONE of this machine"):
        declared(project, {"MLproject": "docker_env: {image: i, environment: [GONE]}"})


def test_none_is_the_base_image_with_mlflow(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = declared(project, {"MLproject": "name: x"})
    assert "the project declares no environment: the job gets Python 3." in capsys.readouterr().out
    assert environment.image == BASE_IMAGE
    assert [text.partition("=")[0] for text in packages(environment)] == [
        *("python", "pip", "mlflow", "azureml-mlflow")
    ]


def test_an_environment_that_is_no_yaml(project: Path) -> None:
    with pytest.raises(AzureMLError, match=r"c.yaml: expected YAML"):
        declared(project, {"MLproject": "conda_env: c.yaml", "c.yaml": "a: [b"})
