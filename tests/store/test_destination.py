"""Which tracking server a step uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_aml.config import WorkspaceConfig
from mlflow_aml.workspace import studio_url
from steps.store.destination import Destination, choose_destination
from tests.loopback.laptop import REPOSITORY
from tests.mlflow_aml.test_config import GOOD

REMOTE = "azureml://westeurope.api.azureml.ms/mlflow/v2.0/subscriptions/s"


def test_order_of_the_rules(tmp_path: Path) -> None:
    config = WorkspaceConfig(**GOOD)
    assert choose_destination("auto", {}, tmp_path) is None
    (tmp_path / "config.json").write_text(json.dumps(GOOD))
    assert choose_destination("auto", {}, tmp_path) == config
    assert choose_destination("none", {}, tmp_path) is None
    # What `mlflow run` exports for its local store is no wish for it.
    assert (
        choose_destination("auto", {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}, tmp_path)
        == config
    )
    remote = {"MLFLOW_TRACKING_URI": REMOTE}
    assert choose_destination("auto", remote, tmp_path) == Destination(
        REMOTE, "MLFLOW_TRACKING_URI"
    )
    job = remote | {"AZUREML_RUN_ID": "r"}
    assert choose_destination("auto", job, tmp_path) == Destination(REMOTE, "Azure ML job")


def test_studio_address_in_each_cloud() -> None:
    scope = (
        "/mlflow/v2.0/subscriptions/s/resourceGroups/g/providers/"
        "Microsoft.MachineLearningServices/workspaces/w"
    )
    page = "/runs/r?wsid=/subscriptions/s/resourcegroups/g/workspaces/w"
    for host, studio in {
        "westeurope.api.azureml.ms": "https://ml.azure.com",
        "usgovvirginia.api.ml.azure.us": "https://ml.azure.us",
        "chinaeast2.api.ml.azure.cn": "https://studio.ml.azure.cn",
    }.items():
        assert studio_url(f"azureml://{host}{scope}?", "r") == studio + page


@pytest.mark.slow
def test_a_local_step_imports_nothing_of_azure() -> None:
    # mlflow 3.15 itself loads azureml-mlflow, as it does every installed plugin of its kind.
    code = (
        "import sys, mlflow, mlflow.sklearn, mlflow.tracking\n"
        "azure = lambda: {n for n in sys.modules if n.split('.')[0] in ('azure', 'azureml')}\n"
        "before = azure()\n"
        "import steps.preprocess, steps.train, steps.batch_score\n"
        "print(*(azure() - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
