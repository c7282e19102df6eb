"""A user's machine: a project folder, a login to the loopback workspace, commands typed there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import Interpreter

REPOSITORY = Path(__file__).resolve().parents[2]
TIMES = ("time", "second")
# A search of one candidate: the search itself is not the point here.
SMALL = ("--n_estimators=2", "--max_depth=2", "--report=false", "--jobs=1")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Its last line on standard error, which must be a short one."""
        return self.err.strip().splitlines()[-1]


@dataclass(frozen=True)
class Laptop:
    """A machine with the project on it and a login to the workspace."""

    workspace: LoopbackWorkspace
    folder: Path
    env: dict[str, str] = field(repr=False)
    console: Interpreter | None = field(default=None, repr=False)
    """Where commands can be typed without a new process, after COMMANDS; nothing of the folder is
    imported there."""

    def start(self, *command: str, **env: str | None) -> subprocess.Popen[str]:
        """Start a Python module with arguments in the project's folder; None unsets a variable."""
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=self._with(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **env: str | None) -> Done:
        """Run a Python module to its end."""
        return finish(self.start(*command, **env))

    def type(self, *command: str, **env: str | None) -> Done:
        """Run a Python module to its end, in the console if there is one."""
        if self.console is None:
            return self.run(*command, **env)
        given = f"folder={str(self.folder)!r}, env={self._with(env)!r}"
        return Done(*self.console.run(f"command(*{command!r}, {given})"))

    def _with(self, env: Mapping[str, str | None]) -> dict[str, str]:
        merged = {**self.env, **env}
        return {name: value for name, value in merged.items() if value is not None}

    def mlflow_run(self, step: str, *parameters: str, **env: str | None) -> Done:
        """Run an entry point with `mlflow run`, in the present environment."""
        options = [part for given in parameters for part in ("-P", given.removeprefix("--"))]
        command = ("mlflow", "run", ".", "-e", step, "--env-manager", "local", *options)
        return self.type(*command, **env)

    def local_runs(self) -> list[Run]:
        """Return the runs in the client's own store."""
        store = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        return list(store.search_runs([e.experiment_id for e in store.search_experiments()]))


def finish(process: subprocess.Popen[str], timeout: float = 240) -> Done:
    """Wait for a process."""
    out, err = process.communicate(timeout=timeout)
    return Done(process.returncode, out, err)


def new_laptop(workspace: LoopbackWorkspace, folder: Path, *, user: int = 0) -> Laptop:
    """Make a machine: a copy of the project, a home folder, the login of a user."""
    project = folder / "project"
    project.mkdir(parents=True)
    for name in ("MLproject", "conda.yaml", "pyproject.toml", ".amlignore"):
        shutil.copy(REPOSITORY / name, project)
    for name in ("steps", "mlflow_aml", "data"):
        shutil.copytree(
            REPOSITORY / name, project / name, ignore=shutil.ignore_patterns("__*__.py")
        )
    (project / "steps" / "__init__.py").touch()
    workspace.write_config(project)
    env = workspace.env(folder / "home", user) | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{project}{os.pathsep}{installed(folder)}",
    }
    return Laptop(workspace, project, env)


def installed(folder: Path) -> Path:
    """Make what installing the project leaves: its entry points, as importlib reads them."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    info = folder / "installed" / f"{project['name'].replace('-', '_')}-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {where}" for name, where in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return info.parent


def server(workspace: LoopbackWorkspace) -> MlflowClient:
    """Look into the workspace's store directly, bypassing its services."""
    return MlflowClient(workspace.tracking.url)


def azure_runs(workspace: LoopbackWorkspace, **tags: str) -> list[Run]:
    """Return the workspace's runs with these tags, newest first."""
    client = server(workspace)
    experiments = [item.experiment_id for item in client.search_experiments()]
    names = {name.replace("__", "."): value for name, value in tags.items()}
    return [run for run in client.search_runs(experiments) if has(run.data.tags, names)]


def timeless(run: Run) -> dict[str, float]:
    """Return a run's metrics, without those that say how long something took."""
    return {
        name: value
        for name, value in run.data.metrics.items()
        if not any(word in name for word in TIMES)
    }


def has(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether one mapping holds all of another."""
    return wanted.items() <= found.items()
