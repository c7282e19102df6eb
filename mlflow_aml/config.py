"""Which Azure ML workspace is meant: `config.json`, or a tracking URI that names one."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow_aml.errors import AzureMLError

AUTO = "auto"
NONE = "none"
CONFIG_FILE = "config.json"
# Searched in this order, each in the start folder and then in its parents, as
# `Workspace.from_config` of azureml-core 1.61 does.
PLACES = (".azureml", "aml_config", "")

_IGNORE = f"workspace={NONE} ignores the file"
_SCOPE = re.compile(
    r"/subscriptions/(?P<subscription_id>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace_name>[^/?]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WorkspaceConfig:
    """The three names that identify a workspace."""

    subscription_id: str
    resource_group: str
    workspace_name: str


KEYS = tuple(item.name for item in fields(WorkspaceConfig))


def choose_config(workspace: str, start: Path) -> WorkspaceConfig | None:
    """Return the workspace that the parameter `workspace` selects, or None to stay local.

    `workspace` is `auto` (search from `start` upwards), `none`, or the path of a config file or
    of a folder to search from.
    """
    if workspace == NONE:
        return None
    if workspace == AUTO:
        found = find_config(start)
        return read_config(found) if found else None
    given = start / Path(workspace).expanduser()
    found = given if given.is_file() else find_config(given) if given.is_dir() else None
    if found is None:
        raise AzureMLError(
            f"parameter workspace: expected {AUTO}, {NONE} or the path of a {CONFIG_FILE}, found "
            f"'{workspace}', and there is no such file; download it from the workspace's page"
        )
    return read_config(found)


def find_config(start: Path) -> Path | None:
    """Find `config.json` as `azureml.core.Workspace.from_config` finds it."""
    start = start.resolve()
    for place in PLACES:
        for folder in (start, *start.parents):
            path = folder / place / CONFIG_FILE
            if path.is_file():
                return path
    return None


def read_config(path: Path) -> WorkspaceConfig:
    """Read and check a `config.json`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise AzureMLError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise AzureMLError(
            f"{path}: expected JSON, found something else ({error}); {_IGNORE}"
        ) from None
    return check_config(content, str(path))


def check_config(content: Any, path: str) -> WorkspaceConfig:
    """Check the content of a config file, which errors refer to as `path`."""
    if not isinstance(content, dict):
        raise AzureMLError(f"{path}: expected an object with the keys {', '.join(KEYS)}; {_IGNORE}")
    unknown = sorted(str(key) for key in content if key not in KEYS)
    missing = [key for key in KEYS if key not in content]
    if unknown or missing:
        raise AzureMLError(
            f"{path}: expected the keys {', '.join(KEYS)}; "
            + "; ".join(
                f"{what} {', '.join(keys)}"
                for what, keys in (("unknown:", unknown), ("missing:", missing))
                if keys
            )
            + f"; {_IGNORE}"
        )
    for key in KEYS:
        if not isinstance(content[key], str) or not content[key].strip():
            raise AzureMLError(f"{path}: expected {key} to be a text that is not empty")
    try:
        uuid.UUID(content["subscription_id"])
    except ValueError:
        raise AzureMLError(
            f"{path}: expected subscription_id to be an id such as {uuid.UUID(int=0)} (not the "
            f"subscription's name), found '{content['subscription_id']}'"
        ) from None
    return WorkspaceConfig(**{key: content[key].strip() for key in KEYS})


def config_from_uri(tracking_uri: str) -> WorkspaceConfig:
    """Read the workspace out of an `azureml://` tracking URI."""
    match = _SCOPE.search(urlsplit(tracking_uri).path)
    if match is None:
        raise AzureMLError(
            "expected a tracking URI azureml://<region>.api.azureml.ms/mlflow/v2.0/subscriptions/"
            f"…/resourceGroups/…/workspaces/…, found '{tracking_uri}'; python -m mlflow_aml "
            "workspace prints the right one"
        )
    return WorkspaceConfig(**{key: unquote(value) for key, value in match.groupdict().items()})
