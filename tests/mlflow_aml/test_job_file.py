"""`job.yml` runs what `mlflow run -e main` runs, and no value of it is read by a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import SMALL, all_runs
from tests.loopback.laptop import REPOSITORY

HOSTILE = [
    "$(touch hacked)",
    "`touch hacked`",
    "; touch hacked",
    "'; touch hacked; '",
    '"; touch hacked; "',
    "a b\n--debug\ntouch hacked",
    "${{inputs.data}}",
    '{"clf__max_depth": [1]} && touch hacked',
]


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
    return content


def run_job(**variables: object) -> subprocess.CompletedProcess[str]:
    """Run the job's command as Azure does: by bash, with the job's variables in its environment.

    `variables` are set as `--set environment_variables.<name>=<value>` sets them.
    """
    job = read("job.yml")
    given = {f"PARAMETER_{name.upper()}": str(value) for name, value in variables.items()}
    assert given.keys() <= job["environment_variables"].keys()
    environment = os.environ | job["environment_variables"] | given
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(REPOSITORY)
    return subprocess.run(
        ["bash", "-c", job["command"]], env=environment, capture_output=True, text=True, check=False
    )


def test_environment_and_code_are_the_project_s() -> None:
    job, project = read("job.yml"), read("MLproject")
    assert job["environment"]["conda_file"] == project["conda_env"]
    assert (job["type"], job["code"]) == ("command", ".")


def test_azure_puts_nothing_into_the_command() -> None:
    assert "${{" not in str(read("job.yml"))


@pytest.mark.slow
def test_hostile_values_are_values(tmp_path: Path) -> None:
    output = "$(touch hacked); touch hacked 'a' \"b\" `touch hacked` &.csv"
    ended = run_job(**SMALL, output=output)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / output).read_text().count("\n") == 193
    assert not (tmp_path / "hacked").exists()
    (run,) = all_runs("main")
    assert run.data.params["n_estimators"] == "2"


@pytest.mark.slow
def test_hostile_values_of_every_parameter_run_nothing(tmp_path: Path) -> None:
    names = [name.removeprefix("PARAMETER_") for name in read("job.yml")["environment_variables"]]
    ended = run_job(**dict(zip(names, cycle(HOSTILE), strict=False)))
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: parameter delimiter: expected one ASCII character")
    assert "found '`touch hacked`'" in ended.stderr
    assert not (tmp_path / "hacked").exists()
