"""MLflow project backend `aml`: run an entry point of an MLproject on Azure ML compute.

`mlflow run . -e train -b aml -c '{"compute": "cpu-cluster"}'` submits the entry point's command
as a job and waits for it. It serves any project whose MLproject has a `conda_env`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import RunStatus
from mlflow.exceptions import ExecutionException, MlflowException
from mlflow.projects import env_type
from mlflow.projects._project_spec import Project, load_project
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun
from mlflow.projects.utils import fetch_and_validate_project
from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_BACKEND

from mlflow_aml.config import AUTO, WorkspaceConfig, choose_config, config_from_uri
from mlflow_aml.console import say, warn
from mlflow_aml.errors import AzureMLError
from mlflow_aml.follow import CANCELED, COMPLETED, FAILED, follow
from mlflow_aml.job import Job, submit
from mlflow_aml.parameters import parameters_for_job
from mlflow_aml.project_record import ProjectRecord, project_record, write_record
from mlflow_aml.settings import JobSettings, read_settings
from mlflow_aml.snapshot import MEGABYTE, check_size, take_snapshot
from mlflow_aml.workspace import open_workspace, studio_url

if TYPE_CHECKING:
    from azureml.core import Run

NAME = "aml"
AZURE = "azureml://"
# mlflow's store has this experiment from the start; a workspace need not.
DEFAULT_EXPERIMENT_ID, DEFAULT_EXPERIMENT = "0", "Default"
STATUSES = {
    COMPLETED: RunStatus.FINISHED,
    FAILED: RunStatus.FAILED,
    CANCELED: RunStatus.KILLED,
}


class AzureMLBackend(AbstractBackend):
    """Submits a project to Azure ML, and waits for it: mlflow's command line does not."""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any] | None,
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> AzureMLSubmittedRun:
        """Submit the entry point, and wait for its end unless `wait` is false.

        What fails becomes an ExecutionException with one clear line: mlflow's command line shows
        it and exits with 1.
        """
        try:
            settings = read_settings(backend_config)
            work_dir = Path(fetch_and_validate_project(project_uri, version, entry_point, params))
            config = _workspace(tracking_uri, work_dir)
            job, record = _prepare(
                settings,
                project_uri,
                work_dir,
                version,
                entry_point,
                {name: str(value) for name, value in (params or {}).items()},
                _experiment(tracking_uri, experiment_id),
            )
            workspace, uri = open_workspace(config)
            # When this method has returned, mlflow tags the run: it must look for it there.
            mlflow.set_tracking_uri(uri)
            submitted = AzureMLSubmittedRun(submit(workspace, job), uri)
            submitted.record(record)
            if settings.wait:
                submitted.finish()
        except AzureMLError as error:
            raise ExecutionException(str(error)) from None
        return submitted


class AzureMLSubmittedRun(SubmittedRun):
    """A job on Azure ML compute, as mlflow sees a submitted project run."""

    def __init__(self, run: Run, tracking_uri: str) -> None:
        super().__init__()
        self._run = run
        self._address = studio_url(tracking_uri, run.id)
        say(f"job {run.id} submitted: {self._address}")

    @property
    def run_id(self) -> str:
        """Id of the job, and of its run."""
        run_id: str = self._run.id
        return run_id

    def record(self, record: ProjectRecord) -> None:
        """Write what a local run would carry on the job's run."""
        try:
            write_record(mlflow.MlflowClient(), self.run_id, record)
        except MlflowException as error:
            warn(f"job {self.run_id}: its parameters and tags were not recorded ({error.message})")

    def finish(self) -> None:
        """Follow the job to its end; raises a AzureMLError unless it has completed."""
        try:
            state, log, message = follow(self._run)
        except KeyboardInterrupt:
            self.cancel()
            raise
        if state != COMPLETED:
            said = f": {message}" if message else ""
            lines = "".join(f"\n    {line}" for line in log.last) or " (empty)"
            raise AzureMLError(
                f"job {self.run_id} {state.lower()}{said}; the end of its log:{lines}\n"
                f"    the whole of it: {self._address}"
            )
        say(f"job {self.run_id} completed: {self._address}")

    def wait(self) -> bool:
        """Wait for the job's end; tells if it has completed."""
        if self._run.get_status() not in STATUSES:
            try:
                self.finish()
            except AzureMLError as error:
                warn(str(error))
        return bool(self._run.get_status() == COMPLETED)

    def get_status(self) -> str:
        """Give the job's status as mlflow names it."""
        status = STATUSES.get(self._run.get_status(), RunStatus.RUNNING)
        name: str = RunStatus.to_string(status)
        return name

    def cancel(self) -> None:
        """Ask Azure to cancel the job."""
        self._run.cancel()
        say(f"job {self.run_id}: asked Azure to cancel it: {self._address}")


def _workspace(tracking_uri: str, work_dir: Path) -> WorkspaceConfig:
    if tracking_uri.startswith(AZURE):
        return config_from_uri(tracking_uri)
    for folder in (work_dir, Path.cwd()):
        config = choose_config(AUTO, folder)
        if config is not None:
            return config
    raise AzureMLError(
        f"expected config.json of an Azure ML workspace in {work_dir}, or MLFLOW_TRACKING_URI="
        f"{AZURE}…, found none; download config.json from the workspace's page in the portal"
    )


def _experiment(tracking_uri: str, experiment_id: str) -> str:
    if experiment_id == DEFAULT_EXPERIMENT_ID:
        return DEFAULT_EXPERIMENT
    name: str = mlflow.MlflowClient(tracking_uri).get_experiment(experiment_id).name
    return name


def _prepare(
    settings: JobSettings,
    project_uri: str,
    work_dir: Path,
    version: str | None,
    entry_point: str,
    parameters: Mapping[str, str],
    experiment: str,
) -> tuple[Job, ProjectRecord]:
    project = load_project(str(work_dir))
    declared = project.get_entry_point(entry_point)
    snapshot = take_snapshot(work_dir)
    paths = [name for name, item in declared.parameters.items() if item.type == "path"]
    texts = parameters_for_job(parameters, snapshot, paths, Path.cwd())
    check_size(snapshot)
    say(f"to upload: {len(snapshot.sizes)} files, {snapshot.size / MEGABYTE:,.1f} MB")
    job = Job(
        project=project.name or work_dir.name,
        # mlflow quotes every value for the shell.
        command=declared.compute_command(texts, storage_dir=None),
        snapshot=snapshot,
        conda_file=_conda_file(project),
        experiment=experiment,
        settings=settings,
    )
    tags = {MLFLOW_PROJECT_BACKEND: NAME}
    return job, project_record(project_uri, work_dir, version, declared, texts, tags)


def _conda_file(project: Project) -> Path:
    if project.env_type != env_type.CONDA or project.env_config_path is None:
        raise AzureMLError(
            f"MLproject: expected a conda_env, which backend {NAME} builds the job's environment "
            f"from, found {project.env_type or 'none'}"
        )
    return Path(project.env_config_path)
