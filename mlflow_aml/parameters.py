"""The parameters of a project run as its job sees them: texts, uploaded files, data of Azure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow_aml.errors import AzureMLError
from mlflow_aml.job_secrets import check_no_secret
from mlflow_aml.mask import masked
from mlflow_aml.project_files import ProjectFiles

# Two letters at least: C:\ is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# In a datastore, or a data asset: the service brings it to the job, or takes it from there.
_DATASTORE = re.compile(r"azureml://(?:subscriptions/.+/)?datastores/[^/]+/paths/", re.IGNORECASE)
_ASSET = re.compile(r"azureml:(?P<name>[A-Za-z0-9][\w.-]*)(?::(?P<version>[\w.-]+)|@latest)$")
_GLOB = re.compile(r"[*?\[]")
FILE, FOLDER = "uri_file", "uri_folder"


@dataclass(frozen=True)
class AzureData:
    """Data that the service mounts for a job: its address, and whether it is a folder."""

    uri: str
    kind: str


@dataclass(frozen=True)
class JobParameters:
    """Each parameter's text in the command, and the data that the job reads and writes."""

    texts: Mapping[str, str]
    inputs: Mapping[str, AzureData] = field(default_factory=dict)
    outputs: Mapping[str, AzureData] = field(default_factory=dict)
    recorded: Mapping[str, str] = field(default_factory=dict)
    """What a run's parameters say: uploaded files as in `texts`, data by its address.

    What may be a secret in an address is masked.
    """


def is_azure_data(value: str) -> bool:
    """Return whether a text is the address of data in Azure ML: in a datastore, or a data asset."""
    return bool(_DATASTORE.match(value) or _ASSET.match(value))


def asset(value: str) -> tuple[str, str | None] | None:
    """Split `azureml:name:version` or `azureml:name@latest`, whose version is None."""
    found = _ASSET.match(value)
    return (found["name"], found["version"]) if found else None


def job_parameters(
    parameters: Mapping[str, str],
    files: ProjectFiles,
    paths: Collection[str],
    here: Path,
    outputs: Iterable[str] = (),
) -> JobParameters:
    """Check the parameters, and name files and data as the job will see them.

    `paths` are the parameters of MLproject's type `path`: they may name a folder, and are
    relative to the current folder `here`; a string is relative to the project, as the command
    runs there. MLflow downloads a path that is an address, and the service does so for a job.
    `outputs` are those that the job writes. Other URIs pass, and so does every text that names no
    file of this machine.
    """
    written = set(outputs)
    texts: dict[str, str] = {}
    data: dict[str, dict[str, AzureData]] = {"inputs": {}, "outputs": {}}
    for name, value in parameters.items():
        check_no_secret(f"parameter {name}", name, value)
        if is_azure_data(value):
            direction = "outputs" if name in written else "inputs"
            place, rest = _written(value) if name in written else _mounted(value)
            data[direction][name] = place
            texts[name] = f"${{{{{direction}.{name}}}}}{rest}"
        elif name in paths and value.startswith("https://"):
            data["inputs"][name] = AzureData(value, FILE)
            texts[name] = f"${{{{inputs.{name}}}}}"
        else:
            texts[name] = _for_job(name, value, files, here if name in paths else None)
    named = {name: parameters[name] for kind in data.values() for name in kind}
    recorded = {name: masked(text) for name, text in {**texts, **named}.items()}
    return JobParameters(texts, data["inputs"], data["outputs"], recorded)


def _mounted(value: str) -> tuple[AzureData, str]:
    """Return what is mounted for an address, and the rest of the path below it."""
    if asset(value):
        # Only the workspace knows whether it is a folder.
        return AzureData(value, ""), ""
    pattern = _GLOB.search(value)
    if pattern:
        folder, _, _ = value[: pattern.start()].rpartition("/")
        return AzureData(f"{folder}/", FOLDER), value[len(folder) :]
    is_file = "." in value.rpartition("/")[2]
    return AzureData(value, FILE if is_file else FOLDER), ""


def _written(value: str) -> tuple[AzureData, str]:
    """Return the folder that is mounted for an output, and the output's name in it.

    A program that writes beside an output's place, and renames at the end, stays in the mount.
    """
    if asset(value):
        raise AzureMLError(
            f"an output is expected to be azureml://datastores/<store>/paths/<path>, found {value}"
        )
    folder, _, name = value.rstrip("/").rpartition("/")
    return AzureData(f"{folder}/", FOLDER), f"/{name}"


def _for_job(name: str, value: str, files: ProjectFiles, here: Path | None) -> str:
    path = local_path(value)
    if path is None:
        return value
    path = ((here or files.project) / path).resolve()
    if not (path.is_file() or (here is not None and path.is_dir())):
        return value
    if path in files:
        return path.relative_to(files.project).as_posix()
    where = (
        "is left out of the upload (.amlignore)"
        if path.is_relative_to(files.project)
        else "is outside the project"
    )
    raise AzureMLError(
        f"parameter {name}: '{masked(value)}' is not on the cluster, it {where}; give a URI, or a "
        "file that is uploaded with the project"
    )


def local_path(value: str) -> Path | None:
    """Parse a text as a path on this machine; return None if it cannot be one."""
    if value.startswith("file:"):
        return Path(unquote(urlsplit(value).path))
    if not value or _SCHEME.match(value) or "\0" in value:
        return None
    # Longer than any file's name: the os would raise.
    if len(value) > 4000 or any(len(part.encode()) > 255 for part in value.split("/")):
        return None
    return Path(value).expanduser() if value.startswith("~/") else Path(value)
