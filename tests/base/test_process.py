"""Signals end a step's process as an exception does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

WAIT = """
import sys, time
from steps.base.process import end_on_signals
end_on_signals()
try:
    print("ready", flush=True)
    time.sleep(float(sys.argv[1]))
finally:
    print("tidied up", flush=True)
"""


def hear_hang_up() -> None:
    """Undo a `nohup` under which the tests may run."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait(seconds: float, *before: str) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-c", WAIT, str(seconds)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, preexec_fn=hear_hang_up
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_lets_the_process_tidy_up(number: signal.Signals, code: int) -> None:
    process = wait(60)
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == "tidied up\n"
    assert process.returncode == code


def test_nohup_still_works() -> None:
    process = wait(0.3, "nohup")
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=30)[0] == "tidied up\n"
    assert process.returncode == 0


LATE = """
import importlib.metadata, sys
before = importlib.metadata.entry_points
from steps.base.process import begin_imports, end_imports
begin_imports()
import steps.train
end_imports()
unused = "azureml.mlflow", "azure.storage.blob", "aiohttp", "matplotlib", "mlflow.pyfunc", "optuna"
assert not [name for name in unused if name in sys.modules]
assert importlib.metadata.entry_points is before
from mlflow.tracking import MlflowClient
workspace = "subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g"
workspace += "/providers/Microsoft.MachineLearningServices/workspaces/w"
MlflowClient("azureml://127.0.0.1:1/mlflow/v1.0/" + workspace)
assert "azureml.mlflow" in sys.modules
"""


def test_a_step_imports_stores_and_figures_only_where_they_are_used() -> None:
    # Without the cloud's name, azureml-mlflow 1.62 looks it up over the network.
    environment = os.environ | {"AZUREML_CURRENT_CLOUD": "AzureCloud"}
    subprocess.run([sys.executable, "-c", LATE], check=True, cwd=PROJECT, env=environment)
