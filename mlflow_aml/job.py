"""A command job on Azure ML compute, submitted with azureml-core's public API."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlflow_aml.console import say, warn
from mlflow_aml.errors import FAILURE, AzureMLError
from mlflow_aml.settings import JobSettings
from mlflow_aml.snapshot import Snapshot

if TYPE_CHECKING:
    from azureml.core import Environment, Run, Workspace

# mlflow reaches the workspace through this package: a job without it can log nothing.
PLUGIN = "azureml-mlflow"


@dataclass(frozen=True)
class Job:
    """What is to run: a command in a copy of a project."""

    project: str
    command: str
    snapshot: Snapshot
    conda_file: Path
    experiment: str
    settings: JobSettings


def submit(workspace: Workspace, job: Job) -> Run:
    """Submit the job; returns azureml-core's run."""
    from azureml.core import Experiment, ScriptRunConfig
    from azureml.core.runconfig import DockerConfiguration
    from azureml.exceptions import AzureMLException

    settings = job.settings
    _check_compute(workspace, settings.compute)
    options = {}
    if settings.max_run_minutes is not None:
        options["max_run_duration_seconds"] = max(1, round(settings.max_run_minutes * 60))
    with TemporaryDirectory(prefix="aml-") as folder:
        job.snapshot.copy_to(Path(folder))
        config = ScriptRunConfig(
            source_directory=folder,
            command=[job.command],
            compute_target=settings.compute,
            environment=_environment(workspace, job),
            docker_runtime_config=DockerConfiguration(use_docker=True),
            **options,
        )
        config.run_config.environment_variables = dict(settings.environment_variables)
        try:
            return Experiment(workspace, job.experiment).submit(config, tags=dict(settings.tags))
        except AzureMLException as error:
            raise AzureMLError(
                f"Azure did not take the job: {_first_line(error)}", exit_code=FAILURE
            ) from None


def _check_compute(workspace: Workspace, name: str) -> None:
    from azureml.core import ComputeTarget
    from azureml.exceptions import ComputeTargetException

    try:
        ComputeTarget(workspace, name)
    except ComputeTargetException as error:
        if "NotFound" not in error.message:
            raise AzureMLError(
                f"compute '{name}': {_first_line(error)}", exit_code=FAILURE
            ) from None
        known = ", ".join(sorted(workspace.compute_targets)) or "none yet: create one in Studio"
        raise AzureMLError(
            f"backend config: the workspace has no compute '{name}'; it has {known}"
        ) from None


def _environment(workspace: Workspace, job: Job) -> Environment:
    from azureml.core import Environment

    if job.settings.environment is not None:
        found = _registered(workspace, job.settings.environment)
        if found is None:
            raise AzureMLError(
                f"backend config: the workspace has no environment '{job.settings.environment}'; "
                "leave the key out to build one from the project's conda file"
            )
        return found
    name = environment_name(job.project, job.conda_file.read_bytes())
    found = _registered(workspace, name)
    if found is not None:
        say(f"environment {name}: already in the workspace")
        return found
    say(f"environment {name}: new, Azure builds it before the job starts (minutes)")
    made = Environment.from_conda_specification(name, str(job.conda_file))
    packages = made.python.conda_dependencies
    if not any(package.startswith(PLUGIN) for package in packages.pip_packages):
        warn(f"{job.conda_file.name} does not name {PLUGIN}, which the job needs to log: added")
        packages.add_pip_package(PLUGIN)
    return made.register(workspace)


def _registered(workspace: Workspace, name: str) -> Environment | None:
    from azureml.core import Environment

    try:
        return Environment.get(workspace, name)
    # azureml-core 1.61 raises a bare Exception with the service's answer in its text.
    except Exception as error:  # noqa: BLE001
        if "Code: 404" in str(error):
            return None
        raise AzureMLError(
            f"cannot read the environment '{name}' of the workspace", exit_code=FAILURE
        ) from None


def environment_name(project: str, conda_file: bytes) -> str:
    """Name an environment after its project and the content of its conda file."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", project).strip("-.") or "project"
    return f"{plain[:40]}-{hashlib.sha256(conda_file).hexdigest()[:12]}"


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).strip().partition("\n")[0]
