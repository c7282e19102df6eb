"""A user's machine with this project, and with another one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import Interpreter
from tests.loopback.laptop import Laptop, new_laptop
from tests.loopback.other_environments import MLFLOW_2, python_over
from tests.mlflow_aml.toy import new_toy

# They need checkouts that are not kept here: where there are none, there is nothing to skip.
collect_ignore = [] if "MLFLOW_EXAMPLES" in os.environ else ["test_mlflow_examples.py"]


@pytest.fixture
def laptop(loopback_workspace: LoopbackWorkspace, tmp_path: Path, console: Interpreter) -> Laptop:
    return replace(new_laptop(loopback_workspace, tmp_path / "laptop"), console=console)


@pytest.fixture
def toy(laptop: Laptop) -> Laptop:
    return new_toy(laptop)


@pytest.fixture
def workspace(loopback_workspace: LoopbackWorkspace) -> Iterator[LoopbackWorkspace]:
    """Give jobs the MLflow that their open requirements lead to on Azure."""
    before = loopback_workspace.runner.python
    loopback_workspace.runner.python = python_over(MLFLOW_2)
    yield loopback_workspace
    loopback_workspace.runner.python = before
