"""Environments of packages that this project lacks, made in the user's cache folder if need be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# It does not resolve with our pins.
V2_CLIENT = ("azure-ai-ml==1.35.2",)
# What a job of MLflow's own examples gets: their packages, and an MLflow that Azure ML serves.
MLFLOW_2 = ("mlflow==2.22.5", "azureml-mlflow==1.62.0.post6", "scikit-learn<1.7", "pandas<3")


def python_with(packages: tuple[str, ...]) -> Path:
    """Return the Python of an environment with these packages."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / packages[0].replace("==", "-")
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        done.touch()
    return python
