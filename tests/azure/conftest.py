"""Fixtures of the tests that need a loopback workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azure.loopback import LoopbackWorkspace
from tests.azure.storage import StorageUnavailableError


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
    """Give the workspace with no fault planned; fail a test whose client asked for another host."""
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
