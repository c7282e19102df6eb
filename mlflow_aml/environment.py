"""The environment of a job, made from what the project declares: conda, python, Docker or none."""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from mlflow.projects import env_type
from mlflow.projects._project_spec import Project

from mlflow_aml.console import say, warn
from mlflow_aml.errors import AzureMLError
from mlflow_aml.resource_manager import ResourceManager, find_asset

# mlflow reaches the workspace through this package: a job without it can log nothing.
PLUGIN = "azureml-mlflow"
DASK = "distributed"
# This image has conda, but no Python of its own.
BASE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
CHANNELS = ("conda-forge",)
_REQUIREMENTS = re.compile(r"^(?:-r|--requirement)[\s=]*(?P<file>\S+)\s*$")
_CONSTRAINTS = re.compile(r"^(?:-c|--constraint)[\s=]*\S+\s*$")
_PACKAGE = re.compile(r"^[A-Za-z0-9._-]+")
# MLflow in any version, or from one below 3 on: `mlflow`, `mlflow[extras]`, `mlflow>=2.4`.
_OPEN_MLFLOW = re.compile(r"^mlflow(-skinny)?(\[[^\]]*\])?\s*(>=?\s*[012](\.[\d.]*)?)?$")


@dataclass(frozen=True)
class JobEnvironment:
    """An image, and the conda environment that is built into it ("" for none)."""

    image: str
    conda: str = ""
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the content."""
        return hashlib.sha256(f"{self.image}\n{self.conda}".encode()).hexdigest()[:12]

    @property
    def body(self) -> dict[str, Any]:
        """The body of the request that makes it."""
        conda = {"condaFile": self.conda} if self.conda else {}
        return {"properties": {"image": self.image, **conda}}


def declared_environment(
    project: Project, image: str | None, nodes: int, environ: dict[str, str]
) -> JobEnvironment:
    """Turn the environment that MLproject declares into a job's.

    `image` replaces the base image; `environ` holds this machine's variables, which a
    `docker_env` may request by name.
    """
    if project.env_type == env_type.DOCKER:
        return _docker(project.docker_env, image, environ)
    path = Path(project.env_config_path) if project.env_config_path else None
    if path is None:
        conda = _none()
    elif project.env_type == env_type.CONDA:
        conda = _inlined(_read(path), path.parent)
    else:
        conda = _from_python_env(_read(path), path.parent)
    wanted = [PLUGIN, DASK] if nodes > 1 else [PLUGIN]
    if path is not None:
        conda = _with_served_mlflow(conda, path)
    return JobEnvironment(image or BASE_IMAGE, _with(conda, wanted, path))


def _docker(
    docker_env: dict[str, Any], image: str | None, environ: dict[str, str]
) -> JobEnvironment:
    if docker_env.get("volumes"):
        warn("MLproject: the volumes of docker_env are left out: a cluster has no such folders")
    variables = []
    for item in docker_env.get("environment") or []:
        name, value = item if isinstance(item, list) else (item, environ.get(item))
        if value is None:
            raise AzureMLError(
                f"MLproject: docker_env asks for the variable {name} of this machine: set it"
            )
        variables.append((str(name), str(value)))
    return JobEnvironment(image or str(docker_env["image"]), "", tuple(variables))


def _none() -> dict[str, Any]:
    python = ".".join(platform.python_version_tuple()[:2])
    packages = [f"mlflow=={version('mlflow')}", f"{PLUGIN}=={version(PLUGIN)}"]
    say(f"the project declares no environment: the job gets Python {python} and {packages[0]}")
    return {"dependencies": [f"python={python}", "pip", {"pip": packages}]}


def _from_python_env(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    pip = [*(content.get("build_dependencies") or []), *(content.get("dependencies") or [])]
    python = content.get("python") or platform.python_version()
    dependencies = [f"python={python}", "pip", {"pip": [str(item) for item in pip]}]
    return _inlined({"dependencies": dependencies}, folder)


def _inlined(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Replace references to requirements files by their lines: Azure gets only this one file."""
    dependencies = []
    for item in content.get("dependencies") or []:
        if isinstance(item, dict) and "pip" in item:
            lines = [line for text in item["pip"] or [] for line in _lines(str(text), folder)]
            item = {**item, "pip": lines}
        dependencies.append(item)
    # Name and prefix (a path) only make sense on the user's machine.
    kept = {key: value for key, value in content.items() if key not in ("name", "prefix")}
    return {"channels": list(CHANNELS), **kept, "dependencies": dependencies}


def _lines(text: str, folder: Path, depth: int = 0) -> list[str]:
    text = text.partition(" #")[0].strip()
    if _CONSTRAINTS.match(text):
        warn(f"'{text}' is left out of the job's environment: state the versions instead")
        return []
    wanted = _REQUIREMENTS.match(text)
    if wanted is None:
        return [] if not text or text.startswith("#") else [text]
    path = folder / wanted["file"]
    if depth > 5 or not path.is_file():
        raise AzureMLError(f"the environment names '{text}', expected the file {path}")
    below = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line for each in below for line in _lines(each, path.parent, depth + 1)]


def _with_served_mlflow(conda: dict[str, Any], path: Path) -> dict[str, Any]:
    """Keep an open version of MLflow below 3, whose `log_model` Azure ML answers with 404.

    Azure/azure-sdk-for-python issue 44896.
    """
    changed = []

    def bounded(text: str) -> str:
        if not _OPEN_MLFLOW.match(text):
            return text
        changed.append(text)
        return f"{text},<3" if ">" in text else f"{text}<3"

    dependencies = [
        {**item, "pip": [bounded(text) for text in item["pip"]]}
        if isinstance(item, dict) and "pip" in item
        else bounded(item)
        if isinstance(item, str)
        else item
        for item in conda["dependencies"]
    ]
    if changed:
        warn(
            f"{path.name} names {changed[0]}, which the job takes below 3: Azure ML does not serve "
            "log_model of MLflow 3; name mlflow>=3 to have it all the same"
        )
    return {**conda, "dependencies": dependencies}


def _with(conda: dict[str, Any], packages: list[str], path: Path | None) -> str:
    """Add packages that a job needs and the project does not name."""
    dependencies = list(conda["dependencies"])
    named = {_package(item) for item in dependencies if isinstance(item, str)}
    pip = [text for item in dependencies if isinstance(item, dict) for text in item.get("pip", [])]
    named |= {_package(text) for text in pip}
    missing = [name for name in packages if name not in named]
    if missing and path is not None:
        warn(f"{path.name} does not name {' and '.join(missing)}, which the job needs: added")
    if missing:
        dependencies = [item for item in dependencies if not isinstance(item, dict)]
        if "pip" not in {_package(item) for item in dependencies}:
            dependencies.append("pip")
        dependencies.append({"pip": [*pip, *map(_pinned, missing)]})
    return yaml.safe_dump({**conda, "dependencies": dependencies}, sort_keys=True)


def _package(text: str) -> str:
    name = _PACKAGE.match(text.rpartition("::")[2])
    return name[0].lower().replace("_", "-") if name else ""


def _pinned(package: str) -> str:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return package


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AzureMLError(f"{path}: expected YAML, found {type(error).__name__}") from None
    if not isinstance(content, dict):
        raise AzureMLError(f"{path}: expected an environment, found {type(content).__name__}")
    return content


def environment_name(project: str, digest: str) -> str:
    """Name an environment after its project and its content."""
    return f"{plain(project)[:40]}-{digest}"


def plain(name: str) -> str:
    """Reduce a name to the characters that Azure allows in all names."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "project"


def environment_id(
    azure: ResourceManager, project: str, wanted: JobEnvironment | None, given: str | None
) -> str:
    """Return the id of the workspace's environment `given`, or else of `wanted`, made if new."""
    if given is not None or wanted is None:
        return _registered(azure, given or "")
    name = environment_name(project, wanted.digest)
    path = f"/environments/{name}/versions/1"
    found = azure.find(path)
    if found is not None:
        say(f"environment {name}: already in the workspace")
        return str(found["id"])
    say(f"environment {name}: new, Azure builds it before the job starts (minutes)")
    return str(azure.put(path, wanted.body)["id"])


def _registered(azure: ResourceManager, given: str) -> str:
    name, _, version_ = given.removeprefix("azureml:").partition(":")
    found = find_asset(azure, name, version_ or None, "environments")
    if found is None:
        raise AzureMLError(
            f"backend config: the workspace has no environment '{given}'; "
            "leave the key out to build one from what the project declares"
        )
    return str(found["id"])
