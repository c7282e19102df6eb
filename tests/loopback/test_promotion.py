"""Gate, registry and comparison on the loopback workspace, with Azure's own clients."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from loopback.workspace import LoopbackWorkspace
from tests.conftest import PROJECT
from tests.store.test_promotion import STRONG, WEAK

pytestmark = pytest.mark.slow

ALIASES = r" \S+/registered-models/alias"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(
    loopback_workspace: LoopbackWorkspace,
    client_env: dict[str, str],
    tmp_path: Path,
) -> Start:
    """Start a step as a user of the workspace does."""
    environment = client_env | {
        "PYTHONPATH": str(PROJECT),
        "MLFLOW_TRACKING_URI": loopback_workspace.names.tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": f"test-{time.time_ns()}",
    }

    def popen(step: str, **parameters: object) -> subprocess.Popen[str]:
        arguments = [f"--{name}={value}" for name, value in parameters.items()]
        return subprocess.Popen(
            [sys.executable, "-m", f"steps.{step}", *arguments],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return popen


@pytest.fixture
def behind(loopback_workspace: LoopbackWorkspace) -> MlflowClient:
    """Look at what the workspace holds, past Azure's clients."""
    return MlflowClient(loopback_workspace.tracking.url, loopback_workspace.tracking.url)


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def champions(behind: MlflowClient, name: str) -> dict[str, str]:
    versions = behind.search_model_versions(f"name='{name}'")
    return {str(v.version): v.tags["champion"] for v in versions}


def test_gate_and_champion_of_each_kind_scored_and_compared(
    start: Start, behind: MlflowClient, tmp_path: Path
) -> None:
    name = f"model-{time.time_ns()}"
    code, output = end(start("train", **WEAK, registered_model=name, minimum="test_roc_auc=0.5"))
    assert (code, champions(behind, name)) == (0, {"1": "true"}), output
    assert "the champion, as there is no other" in output

    better = {**STRONG, "report": "true"}
    code, output = end(start("train", **better, registered_model=name))
    assert (code, champions(behind, name)) == (0, {"1": "false", "2": "true"}), output
    assert "the new champion: better than champion version 1" in output

    code, output = end(start("train", **WEAK, registered_model=name))
    crowned = {"1": "false", "2": "true", "3": "false"}
    assert (code, champions(behind, name)) == (0, crowned), output
    tags = behind.get_model_version(name, "3").tags
    assert "not champion: worse than champion version 2" in tags["gate.decision"]
    assert tags["gate.difference"].startswith("roc_auc -0.1")
    assert tags["gate.decision"] in output

    assert behind.get_model_version_by_alias(name, "champion").version == "2"

    code, output = end(start("batch_score", model=f"models:/{name}@champion"))
    assert code == 0, output
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 193

    code, output = end(start("compare"))
    assert code == 0, output
    assert output.count("[") > 6


def test_where_aliases_are_not_known_the_tag_does(
    loopback_workspace: LoopbackWorkspace, start: Start, behind: MlflowClient
) -> None:
    loopback_workspace.faults.answer(404, ALIASES, times=1000, code="NotFound")
    name = f"model-{time.time_ns()}"
    for parameters in (WEAK, STRONG):
        code, output = end(start("train", **parameters, registered_model=name))
        assert code == 0, output
    assert champions(behind, name) == {"1": "false", "2": "true"}
    assert "this store has no aliases" in output
    code, output = end(start("batch_score", model=f"models:/{name}@champion"))
    assert code == 0, output


def test_two_trainings_racing_leave_one_champion(start: Start, behind: MlflowClient) -> None:
    name = f"model-{time.time_ns()}"
    assert end(start("preprocess"))[0] == 0
    racing = [start("train", **{**STRONG, "seed": seed}, registered_model=name) for seed in (1, 2)]
    ended = [end(process) for process in racing]
    assert [code for code, _ in ended] == [0, 0], ended
    tags = champions(behind, name)
    assert len(tags) == 2
    assert sorted(tags.values()) == ["false", "true"]
    champion = behind.get_model_version_by_alias(name, "champion")
    assert tags[str(champion.version)] == "true"
