"""The config of the backend `aml`, the names of its environments, and its reading of logs."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import Any

import pytest

from mlflow_aml.environment import environment_name
from mlflow_aml.errors import AzureMLError
from mlflow_aml.follow import LINES_KEPT, Log
from mlflow_aml.job import job_name, literal
from mlflow_aml.settings import KEYS, JobSettings, read_settings

FROM_MLFLOW: dict[str, object] = {
    "ENV_MANAGER": None,
    "SYNCHRONOUS": False,
    "DOCKER_ARGS": {},
    "STORAGE_DIR": None,
    "build_image": False,
    "docker_auth": None,
}


def test_smallest_and_largest_config() -> None:
    assert read_settings({"compute": "c", **FROM_MLFLOW}) == JobSettings("c")
    everything: dict[str, Any] = {
        "compute": "c",
        "nodes": 3,
        "launcher": "none",
        "wait": False,
        "environment": "e",
        "image": "i",
        "outputs": ["output", "report"],
        "environment_variables": {"A": "1"},
        "max_run_minutes": 2.5,
        "tags": {"team": "x"},
    }
    assert set(everything) == set(KEYS)
    assert read_settings(everything) == JobSettings(
        **{**everything, "outputs": ("output", "report")}
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "expected the key compute"),
        ({"compute": "c", "COMPUTE": "c"}, f"unknown key COMPUTE; the keys are {KEYS[0]}"),
        ({"compute": ""}, "compute to be the name of a compute"),
        ({"compute": 3}, "compute to be the name"),
        ({"compute": "c", "wait": "false"}, "wait to be true or false, found 'false'"),
        ({"compute": "c", "nodes": 0}, "nodes to be a whole number above 0"),
        ({"compute": "c", "nodes": 1.5}, "nodes to be a whole number above 0"),
        ({"compute": "c", "launcher": "mpi"}, "launcher to be one of dask, none, found 'mpi'"),
        ({"compute": "c", "outputs": "output"}, "outputs to be a list of names"),
        ({"compute": "c", "max_run_minutes": 0}, "a number above 0"),
        ({"compute": "c", "max_run_minutes": True}, "a number above 0"),
        ({"compute": "c", "tags": {"a": 1}}, "tags to be an object of texts"),
        ({"compute": "c", "environment_variables": []}, "an object of texts"),
    ],
)
def test_bad_config(config: dict[str, object], words: str) -> None:
    with pytest.raises(AzureMLError, match=words):
        read_settings(config)


def test_names_are_of_the_characters_that_azure_allows() -> None:
    assert environment_name("my project!", "0123") == "my-project-0123"
    assert environment_name("é", "0123") == "project-0123"
    assert re.fullmatch(r"my-project-train-py-[0-9a-f]{10}", job_name("my project!", "train.py"))
    assert job_name("a", "b") != job_name("a", "b")


def test_the_service_reads_only_what_it_is_to_mount() -> None:
    value = "${{inputs.data}} and ${{name}} 'quoted'"
    command = f"printf %s {shlex.quote(value)} {shlex.quote('${{inputs.data}}/x')}"
    sent = literal(command, set())
    assert "${{" not in sent
    done = subprocess.run(["/bin/bash", "-c", sent], capture_output=True, text=True, check=True)
    assert done.stdout == f"{value}${{{{inputs.data}}}}/x"
    assert literal("run '${{inputs.data}}'", {"inputs.data"}) == "run '${{inputs.data}}'"


def test_log_gives_whole_lines_once_and_keeps_the_last() -> None:
    log = Log()
    assert log.add("a", b"one\ntw") == ["one"]
    assert log.add("a", b"o\n") == ["two"]
    assert log.add("b", b"rest") == []
    assert (log.read["a"], log.read["b"]) == (8, 4)
    assert log.end() == ["rest"]
    assert list(log.last) == ["one", "two", "rest"]
    log.add("c", b"line\n" * 100)
    assert list(log.last) == ["line"] * LINES_KEPT
