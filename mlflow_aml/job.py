"""A v2 command job on Azure ML compute: what is sent to Resource Manager for it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from mlflow_aml import inputs, nodes
from mlflow_aml.code_asset import code_id
from mlflow_aml.environment import JobEnvironment, environment_id, plain
from mlflow_aml.errors import AzureMLError
from mlflow_aml.mask import masked
from mlflow_aml.parameters import AzureData, JobParameters, asset
from mlflow_aml.project_files import ProjectFiles
from mlflow_aml.resource_manager import CONFLICT, RefusedError, ResourceManager, find_asset
from mlflow_aml.settings import DASK, JobSettings


@dataclass(frozen=True)
class Job:
    """A command to run in a copy of a project, and how."""

    project: str
    entry_point: str
    command: str
    parameters: JobParameters
    files: ProjectFiles
    environment: JobEnvironment | None
    experiment: str
    settings: JobSettings


def submit(azure: ResourceManager, job: Job) -> str:
    """Submit the job; returns its name, which is its run's id."""
    settings = job.settings
    check_compute(azure, settings)
    mounted = {name: _resolved(azure, data) for name, data in job.parameters.inputs.items()}
    job = replace(job, parameters=replace(job.parameters, inputs=mounted))
    if settings.nodes > 1 and settings.launcher == DASK:
        launcher = {PurePosixPath(nodes.FILE): nodes.source()}
        job = replace(job, files=replace(job.files, added=launcher))
    environment = environment_id(azure, job.project, job.environment, settings.environment)
    body = job_body(azure.scope, job, code_id(azure, job.files), environment)
    name = job_name(job.project, job.entry_point)
    try:
        azure.put(f"/jobs/{name}", body)
    except RefusedError as error:
        # The name was drawn a moment ago: the job is there because the answer to the first
        # attempt was lost, and the pipeline sent it again.
        if error.status != CONFLICT or azure.find(f"/jobs/{name}") is None:
            raise
    return name


def job_name(project: str, entry_point: str) -> str:
    """Draw a name that is new in the workspace and says what runs."""
    return f"{plain(project)[:40]}-{plain(entry_point)[:40]}-{secrets.token_hex(5)}"


def job_body(scope: str, job: Job, code: str, environment: str) -> dict[str, Any]:
    """Return the body of the request that submits a job."""
    settings = job.settings
    variables = dict(job.environment.variables) if job.environment else {}
    if job.parameters.inputs:
        addresses = {name: data.uri for name, data in job.parameters.inputs.items()}
        variables[inputs.VARIABLE] = inputs.as_variable(addresses)
    body: dict[str, Any] = {
        "jobType": "Command",
        "displayName": job.entry_point,
        "experimentName": job.experiment,
        "command": _command(job),
        "codeId": code,
        "environmentId": environment,
        "computeId": f"{scope}/computes/{settings.compute}",
        "environmentVariables": variables | dict(settings.environment_variables),
        "tags": {name: masked(text) for name, text in settings.tags.items()},
        "properties": {},
        "inputs": {
            name: {"jobInputType": data.kind, "uri": data.uri, "mode": "ReadOnlyMount"}
            for name, data in job.parameters.inputs.items()
        },
        "outputs": {
            name: {"jobOutputType": data.kind, "uri": data.uri, "mode": "ReadWriteMount"}
            for name, data in job.parameters.outputs.items()
        },
        "resources": {"instanceCount": settings.nodes, "properties": {}},
    }
    if settings.nodes > 1:
        # One process on each node, with its rank and the first node's address in variables.
        body["distribution"] = {"distributionType": "PyTorch", "processCountPerInstance": 1}
    if settings.max_run_minutes is not None:
        seconds = max(1, round(settings.max_run_minutes * 60))
        body["limits"] = {"jobLimitsType": "Command", "timeout": f"PT{seconds}S"}
    return {"properties": body}


def _command(job: Job) -> str:
    mounted = {
        f"{kind}.{name}"
        for kind, data in (("inputs", job.parameters.inputs), ("outputs", job.parameters.outputs))
        for name in data
    }
    command = literal(job.command, mounted)
    if job.settings.nodes > 1 and job.settings.launcher == DASK:
        return f"python {nodes.FILE} {nodes.quoted(command)}"
    return command


def literal(command: str, mounted: set[str]) -> str:
    """Keep the service from expanding `${{…}}` in a command, except for what it mounts.

    mlflow puts values in single quotes: two more quotes change nothing for the shell, but hide
    the sequence from the service.
    """

    def part(found: re.Match[str]) -> str:
        return found[0] if found["name"].strip() in mounted else "$''{{" + found[0][3:]

    return re.sub(r"\$\{\{(?P<name>[^}]*)", part, command)


def check_compute(azure: ResourceManager, settings: JobSettings) -> None:
    """Check that the compute exists and has enough nodes."""
    found = azure.find(f"/computes/{settings.compute}")
    if found is None:
        names = sorted(str(item["name"]) for item in azure.get("/computes").get("value", []))
        known = ", ".join(names) or "none yet: create one in Studio"
        raise AzureMLError(
            f"backend config: the workspace has no compute '{settings.compute}'; it has {known}"
        )
    machine: Mapping[str, Any] = found.get("properties", {}).get("properties") or {}
    most = (machine.get("scaleSettings") or {}).get("maxNodeCount")
    if isinstance(most, int) and settings.nodes > most:
        raise AzureMLError(
            f"backend config: expected at most {most} nodes, which is what compute "
            f"'{settings.compute}' has, found {settings.nodes}"
        )


def _resolved(azure: ResourceManager, data: AzureData) -> AzureData:
    """Ask for a data asset's id and kind; an address in a datastore says both."""
    named = asset(data.uri)
    if named is None:
        return data
    found = find_asset(azure, *named)
    if found is None:
        raise AzureMLError(
            f"the workspace has no data asset '{data.uri}'; az ml data list shows what it has"
        )
    return AzureData(str(found["id"]), str(found["properties"]["dataType"]))
