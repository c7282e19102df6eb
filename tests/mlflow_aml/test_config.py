"""Which workspace is meant: search, check, and tracking URI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlflow_aml.config import (
    PLACES,
    WorkspaceConfig,
    choose_config,
    config_from_uri,
    find_config,
    read_config,
)
from mlflow_aml.errors import AzureMLError

GOOD = {
    "subscription_id": "2b8e4d17-5c39-4f0a-8d6e-3a9b7c1d2e02",
    "resource_group": "group",
    "workspace_name": "space",
}


def write(path: Path, content: object = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_example_file_has_the_keys() -> None:
    example = Path(__file__).parents[2] / "config.json.example"
    assert read_config(example).workspace_name == "my-workspace"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("depth", ["", "a/b"])
def test_finds_the_file_in_each_place_and_above(tmp_path: Path, place: str, depth: str) -> None:
    path = write(tmp_path / place / "config.json")
    start = tmp_path / depth
    start.mkdir(parents=True, exist_ok=True)
    assert find_config(start) == path


def test_searches_in_the_order_of_azureml_core(tmp_path: Path) -> None:
    # A folder .azureml further up wins over a plain config.json here.
    above = write(tmp_path / ".azureml" / "config.json")
    write(tmp_path / "project" / "config.json")
    assert find_config(tmp_path / "project") == above


def test_finds_what_azureml_core_finds(tmp_path: Path) -> None:
    from azureml._base_sdk_common.common import AML_CONFIG_DIR, AZUREML_DIR, CONFIG_FILENAME

    assert (AZUREML_DIR, AML_CONFIG_DIR, "") == PLACES
    assert CONFIG_FILENAME == "config.json"


def test_parameter_workspace(tmp_path: Path) -> None:
    assert choose_config("auto", tmp_path) is None
    path = write(tmp_path / "config.json")
    expected = WorkspaceConfig(**GOOD)
    assert choose_config("auto", tmp_path) == expected
    assert choose_config("none", tmp_path) is None
    assert choose_config(str(path), Path("/")) == expected
    assert choose_config("config.json", tmp_path) == expected
    assert choose_config(str(tmp_path), Path("/")) == expected
    with pytest.raises(AzureMLError, match=r"workspace: expected auto, none or .* found 'nowhere'"):
        choose_config("nowhere", tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "expected JSON"),
        ([], "expected an object"),
        ({**GOOD, "Scope": "x"}, "unknown: Scope"),
        ({"subscription_id": GOOD["subscription_id"]}, "missing: resource_group, workspace_name"),
        ({**GOOD, "workspace_name": ""}, "workspace_name to be a text that is not empty"),
        ({**GOOD, "resource_group": 3}, "resource_group to be a text"),
        ({**GOOD, "subscription_id": "My subscription"}, "not the subscription's name"),
    ],
)
def test_bad_files(tmp_path: Path, content: object, words: str) -> None:
    path = write(tmp_path / "config.json", content)
    with pytest.raises(AzureMLError, match=words) as failure:
        read_config(path)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


def test_byte_order_mark_of_windows_editors(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", "\ufeff" + json.dumps(GOOD))
    assert read_config(path) == WorkspaceConfig(**GOOD)


def test_tracking_uri_names_the_workspace() -> None:
    uri = (
        "azureml://westeurope.api.azureml.ms/mlflow/v2.0/subscriptions/2b8e4d17/resourceGroups/"
        "group/providers/Microsoft.MachineLearningServices/workspaces/space?"
    )
    assert config_from_uri(uri) == WorkspaceConfig("2b8e4d17", "group", "space")
    with pytest.raises(AzureMLError, match=r"python -m mlflow_aml workspace"):
        config_from_uri("azureml://westeurope.api.azureml.ms/mlflow")
