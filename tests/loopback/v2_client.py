"""The released azure-ai-ml in an environment of its own: it does not resolve with our pins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKAGE = "azure-ai-ml==1.35.2"
# What a test's first call can run.
V2_LIBRARIES = """import logging
from azure.ai.ml import MLClient, Input, command, load_job
from azure.ai.ml.entities import Environment
from azure.identity import DefaultAzureCredential
client = MLClient.from_config(DefaultAzureCredential())
def submit(arguments="", **options):
    return client.jobs.create_or_update(
        command(
            code="./project",
            command="python job.py " + arguments,
            environment=Environment(image="an-image", conda_file="conda.yaml"),
            **{"compute": "cpu-cluster", "experiment_name": "jobs", **options},
        )
    )
"""


def python_of_v2_client() -> str:
    """Return the Python of the environment, made in the user's cache folder if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / PACKAGE.replace("==", "-")
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", PACKAGE], check=True)
        done.touch()
    return str(python)
