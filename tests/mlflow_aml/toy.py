"""A small, unrelated project, and its submission from a user's machine."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from loopback.job import Job
from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import Done, Laptop, finish

COMPUTE = {"compute": "cpu-cluster"}
# Another project than this one: nothing here knows of steps, tables or models.
TOY = """
name: toy
conda_env: conda.yaml
entry_points:
  greet:
    parameters:
      name: {type: string, default: world}
      code: {type: int, default: 0}
      seconds: {type: float, default: 0}
      table: {type: path, default: none}
    command: >-
      python greet.py {name} {code} {seconds} {table}
"""
GREET = """
import os, sys, time
name, code, seconds, table = sys.argv[1:]
print("hello", name, "of", os.environ.get("PLACE"), "with", table, flush=True)
time.sleep(float(seconds))
print("ends with", code)
sys.exit(int(code))
"""


def new_project(laptop: Laptop, name: str, files: dict[str, str]) -> Laptop:
    """Make a project of these files on the same machine, with the workspace's config.json."""
    folder = laptop.folder.with_name(name)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    laptop.workspace.write_config(folder)
    return replace(laptop, folder=folder)


def new_toy(laptop: Laptop) -> Laptop:
    """Make the project that greets."""
    conda = "dependencies: [python=3.11, pip, {pip: [azureml-mlflow]}]\n"
    return new_project(laptop, "toy", {"MLproject": TOY, "conda.yaml": conda, "greet.py": GREET})


def submit(
    laptop: Laptop, step: str, *parameters: str, config: dict[str, Any] | None = None, **env: str
) -> Done:
    """Run an entry point as a job, to its end."""
    return laptop.type(*_command(step, parameters, config), **env)


def start(
    laptop: Laptop, step: str, *parameters: str, config: dict[str, Any] | None = None, **env: str
) -> subprocess.Popen[str]:
    """Start `mlflow run` in a process of its own."""
    return laptop.start(*_command(step, parameters, config), **env)


def _command(step: str, parameters: Sequence[str], config: dict[str, Any] | None) -> list[str]:
    options = [part for given in parameters for part in ("-P", given.removeprefix("--"))]
    given = json.dumps(COMPUTE | (config or {}))
    return ["mlflow", "run", ".", "-e", step, "-b", "aml", "-c", given, *options]


def last_job(workspace: LoopbackWorkspace) -> Job:
    return list(workspace.jobs.values())[-1]


def uploaded(workspace: LoopbackWorkspace) -> set[str]:
    """Names of the files of the last job."""
    return set(last_job(workspace).code_asset.blobs)


def sent(workspace: LoopbackWorkspace) -> list[str]:
    """List the uploads since the last look."""
    lines = [line for line in workspace.requests if line.startswith("PUT") and ".blob." in line]
    puts = [line for line in lines if "/code-" in line]
    workspace.requests.clear()
    return puts


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for a condition to hold while a command runs."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None, finish(process).err
        time.sleep(0.1)


def start_and_wait_for(
    toy: Laptop,
    text: str,
    *parameters: str,
    step: str = "greet",
    config: dict[str, Any] | None = None,
) -> tuple[subprocess.Popen[str], Job]:
    """Start a job, and wait until its job's log has a text."""
    known = set(toy.workspace.jobs)
    process = start(toy, step, *parameters, config=config)

    def new_job() -> Job | None:
        names = [name for name in toy.workspace.jobs if name not in known]
        return toy.workspace.jobs[names[0]] if names else None

    wait_for(lambda: (job := new_job()) and text in job.log, process)
    job = new_job()
    assert job is not None
    return process, job
