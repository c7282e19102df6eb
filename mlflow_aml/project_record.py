"""The parameters and tags that mlflow's local backend writes, for runs that it does not create.

A remote run must carry the same parameters and tags as a local one. mlflow 3.15 has no public
function for it; the model is its `_create_run` (mlflow/projects/utils.py), and a test compares
the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import Param, RunTag, SourceType
from mlflow.projects._project_spec import EntryPoint
from mlflow.projects.utils import _expand_uri, _is_local_uri, _is_valid_branch_name
from mlflow.tracking._tracking_service.utils import _get_git_url_if_present
from mlflow.tracking.context.default_context import _get_user
from mlflow.utils.git_utils import get_git_commit, get_git_repo_url
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_BRANCH,
    MLFLOW_GIT_COMMIT,
    MLFLOW_GIT_REPO_URL,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_PROJECT_ENTRY_POINT,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from mlflow_aml.mask import masked


@dataclass(frozen=True)
class ProjectRecord:
    """Parameters and tags of a project's run."""

    params: Mapping[str, str]
    tags: Mapping[str, str]


def project_record(
    project_uri: str,
    work_dir: Path,
    version: str | None,
    entry_point: EntryPoint,
    parameters: Mapping[str, str],
    more_tags: Mapping[str, str],
) -> ProjectRecord:
    """Compute the parameters and tags of a project's run, with secrets in addresses masked."""
    source = _expand_uri(project_uri)
    parent = mlflow.active_run()
    tags = {
        MLFLOW_USER: _get_user(),
        MLFLOW_SOURCE_NAME: (
            _get_git_url_if_present(source) if _is_local_uri(project_uri) else source
        ),
        MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.PROJECT),
        MLFLOW_PROJECT_ENTRY_POINT: entry_point.name,
        MLFLOW_GIT_COMMIT: get_git_commit(str(work_dir)),
        MLFLOW_GIT_REPO_URL: get_git_repo_url(str(work_dir)),
        MLFLOW_GIT_BRANCH: version if _is_valid_branch_name(str(work_dir), version) else None,
        MLFLOW_PARENT_RUN_ID: parent.info.run_id if parent else None,
    }
    declared, extra = entry_point.compute_parameters(dict(parameters), storage_dir=None)
    written = {name: value for name, value in tags.items() if value is not None}
    return ProjectRecord(
        params={name: masked(value) for name, value in {**declared, **extra}.items()},
        # The address of a project may hold a token.
        tags={name: masked(value) for name, value in {**written, **more_tags}.items()},
    )


def write_record(client: mlflow.MlflowClient, run_id: str, record: ProjectRecord) -> None:
    """Write the parameters and tags of a record to a run, in one request."""
    client.log_batch(
        run_id,
        params=[Param(name, value) for name, value in record.params.items()],
        tags=[RunTag(name, value) for name, value in record.tags.items()],
    )
