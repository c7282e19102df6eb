"""Environments of packages that this project lacks, made in the user's cache folder if need be."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# It does not resolve with our pins.
V2_CLIENT = ("azure-ai-ml==1.35.2",)
# What a job gets whose environment leaves MLflow open: one that Azure ML serves.
MLFLOW_2 = ("mlflow-skinny==2.22.5", "protobuf==6.33.2")


def python_with(packages: tuple[str, ...]) -> Path:
    """Return the Python of an environment with these packages."""
    with _folder(packages[0]) as folder:
        python = folder / "bin" / "python"
        done = folder / "installed"
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            # Of thousands of modules a test imports some.
            pip = [str(python), "-m", "pip", "install", "-q", "--no-compile"]
            subprocess.run([*pip, *packages], check=True)
            done.touch()
    return python


def python_over(packages: tuple[str, ...]) -> Path:
    """Return the Python of an environment with these packages, and else with what runs here."""
    ours = sysconfig.get_path("purelib")
    digest = hashlib.sha256(" ".join((ours, *packages)).encode()).hexdigest()[:8]
    with _folder(f"{packages[0]}-over-{digest}") as folder:
        python = folder / "bin" / "python"
        done = folder / "installed"
        if not done.exists():
            venv = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)]
            subprocess.run(venv, check=True)
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
            subprocess.run([*pip, "--no-deps", *packages], check=True)
            own = sysconfig.get_path("purelib", vars={"base": str(folder)})
            # Folders in a .pth file are searched after the environment's own.
            Path(own, "ours.pth").write_text(f"{ours}\n")
            done.touch()
    return python


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """Give a folder of the cache to one of the processes that want it at a time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / name.replace("==", "-")
    cache.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
