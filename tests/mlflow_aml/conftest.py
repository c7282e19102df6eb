"""A user's machine with this project, and with another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import Laptop, new_laptop
from tests.mlflow_aml.toy import new_toy


@pytest.fixture
def laptop(loopback_workspace: LoopbackWorkspace, tmp_path: Path) -> Laptop:
    return new_laptop(loopback_workspace, tmp_path / "laptop")


@pytest.fixture
def toy(laptop: Laptop) -> Laptop:
    return new_toy(laptop)
