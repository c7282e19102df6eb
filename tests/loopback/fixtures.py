"""Fixtures of the tests that need a loopback workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback.storage import StorageUnavailableError
from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import COMMANDS, LIBRARIES, Interpreter
from tests.loopback.laptop import REPOSITORY, installed
from tests.loopback.other_environments import V2_CLIENT, python_with
from tests.loopback.v2_client import V2_LIBRARIES


@pytest.fixture(scope="session")
def loopback_session() -> Iterator[LoopbackWorkspace]:
    """Start one workspace for all tests; without Node.js skip, or fail if REQUIRE_AZURITE=1."""
    workspace = LoopbackWorkspace()
    try:
        workspace.start()
    except StorageUnavailableError as error:
        if os.environ.get("REQUIRE_AZURITE") == "1":
            pytest.fail(f"REQUIRE_AZURITE is set, but: {error}")
        pytest.skip(str(error))
    yield workspace
    workspace.stop()


@pytest.fixture
def loopback_workspace(loopback_session: LoopbackWorkspace) -> Iterator[LoopbackWorkspace]:
    """Provide the workspace without faults; fail a test whose client asked for another host."""
    loopback_session.faults.clear()
    loopback_session.requests.clear()
    loopback_session.refused.clear()
    yield loopback_session
    loopback_session.faults.clear()
    assert loopback_session.refused == [], "clients may only ask for the workspace's own hosts"


@pytest.fixture
def client_env(loopback_workspace: LoopbackWorkspace, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a client process that is logged in and has a HOME of its own."""
    return loopback_workspace.env(tmp_path / "home")


@pytest.fixture(scope="session")
def interpreter_session(
    loopback_session: LoopbackWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interpreter]:
    folder = tmp_path_factory.mktemp("interpreter")
    loopback_session.write_config(folder)
    retries = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
    env = loopback_session.env(folder / "home") | retries
    env["MLFLOW_TRACKING_URI"] = loopback_session.names.tracking_uri
    with Interpreter(env, folder) as interpreter:
        interpreter.run(LIBRARIES)
        yield interpreter


@pytest.fixture
def interpreter(
    interpreter_session: Interpreter, loopback_workspace: LoopbackWorkspace
) -> Interpreter:
    """Return the session's client process; importing the libraries takes longer than most tests."""
    return interpreter_session


@pytest.fixture(scope="session")
def console(
    loopback_session: LoopbackWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interpreter]:
    """Start the process of each worker in which commands are typed."""
    folder = tmp_path_factory.mktemp("console")
    path = f"{REPOSITORY}{os.pathsep}{installed(folder)}"
    env = loopback_session.env(folder / "home") | {"PYTHONPATH": path}
    with Interpreter(env, folder) as interpreter:
        interpreter.run(COMMANDS)
        yield interpreter


@pytest.fixture(scope="session")
def v2_session(
    loopback_session: LoopbackWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interpreter]:
    folder = tmp_path_factory.mktemp("v2")
    loopback_session.write_config(folder)
    env = loopback_session.env(folder / "home")
    with Interpreter(env, folder, str(python_with(V2_CLIENT))) as interpreter:
        interpreter.run(V2_LIBRARIES)
        yield interpreter


@pytest.fixture
def v2_client(v2_session: Interpreter, loopback_workspace: LoopbackWorkspace) -> Interpreter:
    """Return the session's process with the unmodified azure-ai-ml."""
    return v2_session
