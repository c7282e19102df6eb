"""Gate, registry and comparison on the loopback workspace, with Azure's own clients."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from loopback.workspace import LoopbackWorkspace
from tests.conftest import PROJECT
from tests.loopback.interpreter import Interpreter
from tests.loopback.laptop import Laptop, finish
from tests.store.test_promotion import STRONG, WEAK

pytestmark = pytest.mark.slow

ALIASES = r" \S+/registered-models/alias"


@pytest.fixture
def user(
    loopback_workspace: LoopbackWorkspace,
    client_env: dict[str, str],
    console: Interpreter,
    tmp_path: Path,
) -> Laptop:
    """Give a user of the workspace with a login and an experiment."""
    environment = client_env | {
        "PYTHONPATH": str(PROJECT),
        "MLFLOW_TRACKING_URI": loopback_workspace.names.tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": f"test-{time.time_ns()}",
    }
    return Laptop(loopback_workspace, tmp_path, environment, console)


def command(step: str, **parameters: object) -> list[str]:
    return [f"steps.{step}", *(f"--{name}={value}" for name, value in parameters.items())]


def run(user: Laptop, step: str, **parameters: object) -> tuple[int, str]:
    """Run a step; give its exit code and what it printed."""
    done = user.type(*command(step, **parameters))
    return done.code, done.out + done.err


@pytest.fixture
def behind(loopback_workspace: LoopbackWorkspace) -> MlflowClient:
    """Look at what the workspace holds, past Azure's clients."""
    return MlflowClient(loopback_workspace.tracking.url, loopback_workspace.tracking.url)


def champions(behind: MlflowClient, name: str) -> dict[str, str]:
    versions = behind.search_model_versions(f"name='{name}'")
    return {str(v.version): v.tags["champion"] for v in versions}


def test_gate_and_champion_of_each_kind_scored_and_compared(
    user: Laptop, behind: MlflowClient, tmp_path: Path
) -> None:
    name = f"model-{time.time_ns()}"
    code, output = run(user, "train", **WEAK, registered_model=name, minimum="test_roc_auc=0.5")
    assert (code, champions(behind, name)) == (0, {"1": "true"}), output
    assert "the champion, as there is no other" in output

    better = {**STRONG, "report": "true"}
    code, output = run(user, "train", **better, registered_model=name)
    assert (code, champions(behind, name)) == (0, {"1": "false", "2": "true"}), output
    assert "the new champion: better than champion version 1" in output

    code, output = run(user, "train", **WEAK, registered_model=name)
    crowned = {"1": "false", "2": "true", "3": "false"}
    assert (code, champions(behind, name)) == (0, crowned), output
    tags = behind.get_model_version(name, "3").tags
    assert "not champion: worse than champion version 2" in tags["gate.decision"]
    assert tags["gate.difference"].startswith("roc_auc -0.1")
    assert tags["gate.decision"] in output

    assert behind.get_model_version_by_alias(name, "champion").version == "2"

    code, output = run(user, "batch_score", model=f"models:/{name}@champion")
    assert code == 0, output
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 193

    code, output = run(user, "compare")
    assert code == 0, output
    assert output.count("[") > 6


def test_where_aliases_are_not_known_the_tag_does(
    loopback_workspace: LoopbackWorkspace, user: Laptop, behind: MlflowClient
) -> None:
    loopback_workspace.faults.answer(404, ALIASES, times=1000, code="NotFound")
    name = f"model-{time.time_ns()}"
    for parameters in (WEAK, STRONG):
        code, output = run(user, "train", **parameters, registered_model=name)
        assert code == 0, output
    assert champions(behind, name) == {"1": "false", "2": "true"}
    assert "this store has no aliases" in output
    code, output = run(user, "batch_score", model=f"models:/{name}@champion")
    assert code == 0, output


def test_two_trainings_racing_leave_one_champion(user: Laptop, behind: MlflowClient) -> None:
    name = f"model-{time.time_ns()}"
    assert run(user, "preprocess")[0] == 0
    racing = [
        user.start(*command("train", **{**STRONG, "seed": seed}, registered_model=name))
        for seed in (1, 2)
    ]
    ended = [finish(process) for process in racing]
    assert [done.code for done in ended] == [0, 0], ended
    tags = champions(behind, name)
    assert len(tags) == 2
    assert sorted(tags.values()) == ["false", "true"]
    champion = behind.get_model_version_by_alias(name, "champion")
    assert tags[str(champion.version)] == "true"
