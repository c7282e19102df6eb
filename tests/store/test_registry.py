"""The registry: versions, the champion, and who becomes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, PERMISSION_DENIED
from mlflow.tracking import MlflowClient

from steps.base.errors import StepError
from steps.store.registry import CHAMPION, Registry, model_name, resolve
from steps.store.runs import StepRun
from tests.conftest import tracking


class WithoutAliases(MlflowClient):
    """A client of a store that has no aliases, as Azure ML may be."""

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        raise MlflowException("failed with error code 404", error_code=ENDPOINT_NOT_FOUND)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        raise MlflowException("failed with error code 404", error_code=ENDPOINT_NOT_FOUND)


class Refused(MlflowClient):
    """A client that may read versions, but no aliases."""

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        raise MlflowException("you may not", error_code=PERMISSION_DENIED)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one folder to all tests here: they use models of their own, and a new store is slow."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(
    params=[
        ("file", MlflowClient),
        ("sqlite", MlflowClient),
        ("http", MlflowClient),
        ("http", WithoutAliases),
    ],
    ids=["file", "sqlite", "http", "no aliases"],
)
def registry(
    request: pytest.FixtureRequest, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registry]:
    kind, client = request.param
    uris = {"file": f"file://{shared}/mlruns", "sqlite": f"sqlite:///{shared}/store.db"}
    uri = uris[kind] if kind in uris else request.getfixturevalue("mlflow_server")
    with tracking(uri, monkeypatch):
        yield Registry(client(), f"model-{time.time_ns()}")


@pytest.fixture
def run(registry: Registry) -> StepRun:
    """Give a run of the registry's store; the registry never opens what it registers."""
    with mlflow.start_run() as active:
        return StepRun(MlflowClient(), active.info.run_id, active.info.experiment_id)


def champion(registry: Registry) -> str:
    version = registry.named(CHAMPION)
    assert version is not None
    return str(version.version)


def champions(registry: Registry) -> list[str]:
    tagged = [str(v.version) for v in registry.versions() if v.tags.get(CHAMPION) == "true"]
    if isinstance(registry.client, WithoutAliases):
        return tagged
    alias = MlflowClient().get_model_version_by_alias(registry.name, CHAMPION)
    assert tagged == [str(alias.version)]
    return tagged


def test_versions_are_registered_from_a_run(registry: Registry, run: StepRun) -> None:
    assert registry.versions() == []
    assert registry.named(CHAMPION) is None
    first, second = (registry.register(run.id) for _ in range(2))
    assert [str(v.version) for v in registry.versions()] == ["2", "1"]
    assert second.run_id == run.id
    assert str(first.source).endswith("/best_estimator")
    assert not str(first.source).startswith("runs:")
    assert registry.version("1").tags == {"train_run_id": run.id, CHAMPION: "pending"}
    assert registry.named(CHAMPION) is None
    registry.withdraw(second)
    assert [str(v.version) for v in registry.versions()] == ["1"]


def test_a_refusal_is_not_taken_for_a_store_without_aliases(
    registry: Registry, run: StepRun
) -> None:
    registry.crown(registry.register(run.id))
    with pytest.raises(MlflowException, match="you may not"):
        Registry(Refused(), registry.name).named(CHAMPION)


def test_the_version_of_a_run_is_found(registry: Registry, run: StepRun) -> None:
    assert registry.version_of(run.id) is None
    versions = [registry.register(run.id) for _ in range(2)]
    found = registry.version_of(run.id)
    assert found is not None
    assert found.version == versions[1].version
    assert registry.version_of("0" * 32) is None


def test_one_champion_at_a_time(registry: Registry, run: StepRun) -> None:
    first, second, third = (registry.register(run.id) for _ in range(3))
    registry.crown(first)
    assert champions(registry) == ["1"]
    registry.crown(third)
    registry.decline(second)
    assert champions(registry) == ["3"]
    assert champion(registry) == "3"


def test_of_two_tagged_versions_the_highest_is_the_champion(
    registry: Registry, run: StepRun
) -> None:
    versions = [registry.register(run.id) for _ in range(2)]
    for version in versions:
        registry.tag(version, {CHAMPION: "true"})
    assert champion(registry) == "2"
    registry.crown(versions[0])
    assert champions(registry) == ["2"]


def test_trainings_take_turns_by_version(registry: Registry, run: StepRun) -> None:
    first, second = (registry.register(run.id) for _ in range(2))
    events = []

    def decide_second() -> None:
        registry.wait_for_turn(second)
        events.append(f"second sees {champion(registry)}")

    waiting = threading.Thread(target=decide_second)
    waiting.start()
    registry.wait_for_turn(first)
    time.sleep(0.5)
    events.append("first decides")
    registry.crown(first)
    waiting.join(timeout=60)
    assert events == ["first decides", "second sees 1"]


def test_a_training_that_died_is_waited_for_once(
    registry: Registry, run: StepRun, capfd: pytest.CaptureFixture[str]
) -> None:
    impatient = Registry(registry.client, registry.name, patience=0.5)
    _, second, third = (registry.register(run.id) for _ in range(3))
    impatient.wait_for_turn(second)
    assert "version 1 was never decided on, it is passed over" in capfd.readouterr().err
    impatient.crown(second)
    start = time.monotonic()
    registry.wait_for_turn(third)
    assert time.monotonic() - start < 10
    assert capfd.readouterr().err.count("never decided") == 0


def test_many_crowned_at_once_leave_one_champion(registry: Registry, run: StepRun) -> None:
    versions = [registry.register(run.id) for _ in range(4)]
    together = threading.Barrier(len(versions))

    def crown(version: ModelVersion) -> None:
        together.wait()
        registry.crown(version)

    threads = [threading.Thread(target=crown, args=[version]) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert champions(registry) == ["4"]


def test_uris(registry: Registry, run: StepRun) -> None:
    for version in [registry.register(run.id) for _ in range(3)][:2]:
        registry.crown(version)
    found = {
        end: str(resolve(f"models:/{registry.name}{end}", registry.client).version)
        for end in ("/1", "/latest", "@champion")
    }
    assert found == {"/1": "1", "/latest": "3", "@champion": "2"}


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/nobody@champion", "model nobody with the alias champion, or the tag champion="),
        ("models:/nobody/3", "version 3 of the registered model nobody .* found versions: none"),
        ("models:/nobody/latest", "found versions: none"),
        ("models:/nobody", "expected models:/<name>@<alias>"),
        ("models:/nobody/Production", "expected models:/<name>@<alias>"),
        ("models:/nobody@", "expected models:/<name>@<alias>"),
    ],
)
def test_a_model_that_is_not_there(tmp_path: Path, uri: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        resolve(uri, MlflowClient())


@pytest.mark.parametrize("text", ["a/b", "a b", "a'b", "a:b", "@x", "", "-"])
def test_model_name_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        model_name(text)


def test_model_name() -> None:
    assert model_name("none") is None
    assert model_name("diabetes.v2_x-1") == "diabetes.v2_x-1"
