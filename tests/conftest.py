"""Isolated tracking stores, and a way to run a step as its script does."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from hypothesis import settings
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from steps.cli import launch
from steps.store.chain import load
from tests import server

# Fixtures that several rooms use.
pytest_plugins = ["tests.model.trained", "tests.model.searches", "tests.loopback.fixtures"]

PROJECT = Path(__file__).resolve().parents[1]
DIABETES = PROJECT / "data" / "diabetes.csv"

# One candidate and no report: enough wherever these are not the point.
SMALL = {"n_estimators": "2", "max_depth": "2", "report": "false"}

# Before any client exists, and for every subprocess too.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

# CI tries the same examples each time; developers try new ones.
settings.register_profile("ci", derandomize=True)
if "CI" in os.environ:
    settings.load_profile("ci")


# A test that starts a server takes seconds, and so do those that run whole steps.
SERVERS = {"mlflow_server", "any_store", "registry", "loopback_session", "loopback_workspace"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what starts a server, and the tests from end to end."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if SERVERS & fixtures or "end_to_end" in item.path.parts:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give each test its own file store and a working folder that holds only the data set."""
    (tmp_path / "data").symlink_to(PROJECT / "data")
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "AZUREML_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with tracking(f"file://{tmp_path}/mlruns", monkeypatch) as uri:
        yield uri


class tracking:
    """Point MLflow at a store for a while, in a new experiment."""

    def __init__(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.uri, self.monkeypatch = uri, monkeypatch

    def __enter__(self) -> str:
        self.before = mlflow.get_tracking_uri()
        self.monkeypatch.setenv("MLFLOW_TRACKING_URI", self.uri)
        self.monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{time.time_ns()}")
        mlflow.set_tracking_uri(self.uri)
        return self.uri

    def __exit__(self, *_: object) -> None:
        while mlflow.active_run() is not None:
            mlflow.end_run()
        mlflow.set_tracking_uri(self.before)


@dataclass(frozen=True)
class Ended:
    """What a step left behind: exit code, lines, and all runs of that step, newest first."""

    code: int
    out: str
    err: str
    runs: list[Run]

    @property
    def run(self) -> Run:
        """The newest run."""
        return self.runs[0]

    @property
    def id(self) -> str:
        """The id of the newest run."""
        return str(self.run.info.run_id)


RunStep = Callable[..., Ended]


@pytest.fixture
def run_step(capfd: pytest.CaptureFixture[str]) -> RunStep:
    """Run a step in this process, as `python -m steps.<name> --<parameter>=<value>` does."""

    def run(step: str, **parameters: object) -> Ended:
        capfd.readouterr()
        argv = [f"--{name}={value}" for name, value in parameters.items()]
        code = launch(load(step), argv)
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err, all_runs(step))

    return run


@pytest.fixture(scope="session")
def trained_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Train a small model once; give the folder of its file store, and the experiment."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "data").symlink_to(PROJECT / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with tracking(f"file://{folder}/mlruns", patch):
            code = launch(load("train"), [f"--{name}={value}" for name, value in SMALL.items()])
            assert code == 0
            return folder, os.environ["MLFLOW_EXPERIMENT_NAME"]


@pytest.fixture
def train_id(
    store: str, trained_store: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Give the id of a small model's run, in a copy of its store that is the test's own."""
    folder, experiment = trained_store
    shutil.copytree(folder / "mlruns", tmp_path / "mlruns")
    for path in (tmp_path / "mlruns").rglob("meta.yaml"):
        path.write_text(path.read_text().replace(str(folder), str(tmp_path)))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
    return str(all_runs("train")[0].info.run_id)


def all_runs(step: str | None = None, **tags: str) -> list[Run]:
    """Return the runs of the present experiment, newest first, of one step if named."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    if experiment is None:
        return []
    wanted = {**({"step": step} if step else {}), **tags}
    return [
        run
        for run in client.search_runs([experiment.experiment_id])
        if all(run.data.tags.get(name) == value for name, value in wanted.items())
    ]


def children(run: Run) -> list[Run]:
    """Return the nested runs of a run."""
    return all_runs(**{"mlflow.parentRunId": run.info.run_id})


def artifacts(run_id: str, folder: str | None = None) -> set[str]:
    """Return the paths of all artifact files of a run."""
    client, found = MlflowClient(), set()
    for item in client.list_artifacts(run_id, folder):
        found |= artifacts(run_id, item.path) if item.is_dir else {item.path}
    return found


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real `mlflow server` on loopback."""
    with server.mlflow_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(params=["file", "sqlite", "http"])
def any_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Provide each kind of store in turn."""
    uris = {"file": f"file://{tmp_path}/mlruns", "sqlite": f"sqlite:///{tmp_path}/store.db"}
    kind = request.param
    uri = uris[kind] if kind in uris else request.getfixturevalue("mlflow_server")
    with tracking(uri, monkeypatch):
        yield uri
