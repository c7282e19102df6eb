"""The config of the backend `aml`, the names of its environments, and its reading of logs."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_aml.errors import AzureMLError
from mlflow_aml.follow import LINES_KEPT, Log
from mlflow_aml.job import environment_name
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
        "wait": False,
        "environment": "e",
        "environment_variables": {"A": "1"},
        "max_run_minutes": 2.5,
        "tags": {"team": "x"},
    }
    assert set(everything) == set(KEYS)
    assert read_settings(everything) == JobSettings(**everything)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "expected the key compute"),
        ({"compute": "c", "COMPUTE": "c"}, f"unknown key COMPUTE; the keys are {KEYS[0]}"),
        ({"compute": ""}, "compute to be the name of a compute"),
        ({"compute": 3}, "compute to be the name"),
        ({"compute": "c", "wait": "false"}, "wait to be true or false, found 'false'"),
        ({"compute": "c", "max_run_minutes": 0}, "a number above 0"),
        ({"compute": "c", "max_run_minutes": True}, "a number above 0"),
        ({"compute": "c", "tags": {"a": 1}}, "tags to be an object of texts"),
        ({"compute": "c", "environment_variables": []}, "an object of texts"),
    ],
)
def test_bad_config(config: dict[str, object], words: str) -> None:
    with pytest.raises(AzureMLError, match=words):
        read_settings(config)


def test_an_environment_is_named_after_project_and_content() -> None:
    name = environment_name("my project!", b"dependencies: []")
    assert name == environment_name("my project!", b"dependencies: []")
    assert name != environment_name("my project!", b"dependencies: [x]")
    assert name.startswith("my-project-")
    assert environment_name("é", b"").startswith("project-")


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
