"""The distribution, built and installed: what it brings, and that it serves any project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import REPOSITORY

pytestmark = pytest.mark.slow

# What this project has too, and the distribution must not be in the way of.
PROJECT = """
name: another
conda_env: conda.yaml
entry_points:
  main:
    parameters:
      name: {type: string, default: world}
    command: python -m steps.greet --name={name}
"""
GREET = """
import sys
import steps
print("greeting from", steps.WHOSE, *sys.argv[1:])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of this project and install it, alone, into a folder."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("steps", "mlflow_aml", "loopback"):
        shutil.copytree(REPOSITORY / name, source / name)
    target = source.with_name("installed")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    done = subprocess.run(
        [*pip, "--target", str(target), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def test_no_module_called_steps_is_installed(installed: Path) -> None:
    (info,) = installed.glob("*.dist-info")
    names = [line.partition(",")[0] for line in (info / "RECORD").read_text().splitlines()]
    assert "mlflow_aml/backend.py" in names
    assert {Path(name).parts[0] for name in names} == {"mlflow_aml", "loopback", info.name}


def test_it_runs_a_project_that_has_steps_of_its_own(
    installed: Path,
    loopback_workspace: LoopbackWorkspace,
    client_env: dict[str, str],
    tmp_path: Path,
) -> None:
    project = tmp_path / "another"
    (project / "steps").mkdir(parents=True)
    (project / "steps" / "__init__.py").write_text("WHOSE = 'another project'\n")
    (project / "steps" / "greet.py").write_text(GREET)
    (project / "MLproject").write_text(PROJECT)
    packages = "dependencies: [python=3.11, pip, {pip: [azureml-mlflow]}]\n"
    (project / "conda.yaml").write_text(packages)
    loopback_workspace.write_config(project)
    python = Path(sys.executable).parent
    env = client_env | {
        "PYTHONPATH": str(installed),
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
    }
    where = run(["-c", "import mlflow_aml.backend as b; print(b.__file__)"], project, env)
    assert where.stdout.strip() == str(installed / "mlflow_aml" / "backend.py")

    config = json.dumps({"compute": "cpu-cluster"})
    command = ["-m", "mlflow", "run", ".", "-b", "aml", "-c", config, "-P", "name=you"]
    done = run(command, project, env)
    assert done.returncode == 0, done.stderr
    assert "greeting from another project --name=you" in done.stdout


def run(
    arguments: list[str], folder: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments in a folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
