"""`job.yml` runs what `mlflow run -e main` runs."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.loopback.laptop import REPOSITORY


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
    return content


def test_command_and_defaults_are_those_of_mlproject() -> None:
    job, project = read("job.yml"), read("MLproject")
    main = project["entry_points"]["main"]
    assert re.sub(r"\$\{\{inputs\.(\w+)\}\}", r"{\1}", job["command"]) == main["command"]
    assert job["inputs"] == {name: item["default"] for name, item in main["parameters"].items()}


def test_environment_and_code_are_the_project_s() -> None:
    job, project = read("job.yml"), read("MLproject")
    assert job["environment"]["conda_file"] == project["conda_env"]
    assert (job["type"], job["code"]) == ("command", ".")
