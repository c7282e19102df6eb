"""What `-c` of `mlflow run -b aml` may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mlflow_aml.errors import AzureMLError
from mlflow_aml.mask import masked

# mlflow 3.15 itself adds these to every backend's config (mlflow/projects/utils.py).
FROM_MLFLOW = {
    "ENV_MANAGER",
    "SYNCHRONOUS",
    "DOCKER_ARGS",
    "STORAGE_DIR",
    "build_image",
    "docker_auth",
}
DASK, PLAIN = "dask", "none"
LAUNCHERS = (DASK, PLAIN)


@dataclass(frozen=True)
class JobSettings:
    """How and where a project runs on Azure ML compute."""

    compute: str
    nodes: int = 1
    launcher: str = DASK
    wait: bool = True
    environment: str | None = None
    image: str | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("output",)
    max_run_minutes: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


KEYS = tuple(item.name for item in fields(JobSettings))
_EXPECTED: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "compute": ("the name of a compute of the workspace", str),
    "nodes": ("a whole number above 0", int),
    "launcher": (f"one of {', '.join(LAUNCHERS)}", str),
    "wait": ("true or false", bool),
    "environment": ("the name of an environment of the workspace, or name:version", str),
    "image": ("the name of a Docker image", str),
    "environment_variables": ("an object of texts", dict),
    "outputs": ("a list of names of parameters", list),
    "max_run_minutes": ("a number above 0", (int, float)),
    "tags": ("an object of texts", dict),
}


def read_settings(backend_config: Mapping[str, Any]) -> JobSettings:
    """Check a backend config; errors name the allowed keys."""
    given = {key: value for key, value in backend_config.items() if key not in FROM_MLFLOW}
    unknown = sorted(key for key in given if key not in KEYS)
    if unknown:
        raise AzureMLError(
            f"backend config: unknown key {', '.join(unknown)}; the keys are {', '.join(KEYS)}"
        )
    if "compute" not in given:
        raise AzureMLError(
            'backend config: expected the key compute, as in -c \'{"compute": "cpu-cluster"}\''
        )
    return JobSettings(**{key: _checked(key, value) for key, value in given.items()})


def _checked(key: str, value: Any) -> Any:
    words, kind = _EXPECTED[key]
    good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if good and isinstance(value, dict | list):
        good = all(
            isinstance(text, str) for text in (value.values() if isinstance(value, dict) else value)
        )
    elif good and key in ("max_run_minutes", "nodes"):
        good = value > 0
    elif good and key == "launcher":
        good = value in LAUNCHERS
    elif good and kind is str:
        good = bool(value.strip())
    if not good:
        raise AzureMLError(
            f"backend config: expected {key} to be {words}, found {masked(repr(value))}"
        )
    return tuple(value) if kind is list else value
