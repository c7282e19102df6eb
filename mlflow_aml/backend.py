"""MLflow project backend `aml`: run an entry point of an MLproject on Azure ML compute.

`mlflow run . -e train -b aml -c '{"compute": "cpu-cluster"}'` submits the entry point's command
as a v2 command job and waits for it. It serves any MLproject.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import RunStatus
from mlflow.exceptions import ExecutionException, MlflowException
from mlflow.projects._project_spec import EntryPoint, Project, load_project
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun
from mlflow.projects.utils import fetch_and_validate_project
from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_BACKEND

from mlflow_aml.config import AUTO, WorkspaceConfig, choose_config, config_from_uri
from mlflow_aml.console import say, warn
from mlflow_aml.environment import declared_environment
from mlflow_aml.errors import AzureMLError
from mlflow_aml.follow import CANCELED, COMPLETED, FAILED, details_of, follow
from mlflow_aml.job import Job, submit
from mlflow_aml.job_secrets import check_no_secret
from mlflow_aml.mask import masked
from mlflow_aml.parameters import job_parameters
from mlflow_aml.project_files import check_size, list_files
from mlflow_aml.project_record import ProjectRecord, project_record, write_record
from mlflow_aml.resource_manager import Workspace, find_workspace
from mlflow_aml.settings import JobSettings, read_settings
from mlflow_aml.workspace import hand_login_to_mlflow, studio_url

NAME = "aml"
AZURE = "azureml://"
# mlflow's own stores always have this experiment; a workspace may not.
DEFAULT_EXPERIMENT_ID, DEFAULT_EXPERIMENT = "0", "Default"
STATUSES = {
    COMPLETED: RunStatus.FINISHED,
    FAILED: RunStatus.FAILED,
    CANCELED: RunStatus.KILLED,
}


class AzureMLBackend(AbstractBackend):
    """Submit a project to Azure ML and wait for it, which mlflow's command line does not do."""

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

        Every failure raises an ExecutionException with a one-line message, which mlflow's command
        line shows before it exits with 1.
        """
        try:
            settings = read_settings(backend_config)
            for name, text in settings.environment_variables.items():
                check_no_secret(f"backend config: environment_variables.{name}", name, text)
            work_dir = Path(fetch_and_validate_project(project_uri, version, entry_point, params))
            project = load_project(str(work_dir))
            declared = project.get_entry_point(entry_point)
            given = {name: str(value) for name, value in (params or {}).items()}
            job = _job(
                settings,
                project,
                declared,
                given,
                _experiment(tracking_uri, experiment_id),
                work_dir,
            )
            tags = {MLFLOW_PROJECT_BACKEND: NAME}
            recorded = {name: job.parameters.recorded[name] for name in given}
            record = project_record(project_uri, work_dir, version, declared, recorded, tags)
            workspace = open_workspace(tracking_uri, lambda: _config(work_dir))
            # mlflow tags the run once this method has returned, and must look for it there.
            hand_login_to_mlflow(workspace.tracking_uri)
            mlflow.set_tracking_uri(workspace.tracking_uri)
            submitted = AzureMLSubmittedRun(workspace, submit(workspace.azure, job))
            _record_and_wait(submitted, record, settings.wait)
        except AzureMLError as error:
            raise ExecutionException(str(error)) from None
        return submitted


def _record_and_wait(run: AzureMLSubmittedRun, record: ProjectRecord, wait: bool) -> None:
    try:
        run.record(record)
    except AzureMLError as error:
        # Without waiting, mlflow's own next request to that server would end in a traceback.
        if not wait:
            raise AzureMLError(
                f"{error}; the job goes on; follow it with: python -m mlflow_aml follow "
                f"{run.run_id}"
            ) from None
        warn(str(error))
    if wait:
        run.finish()


class AzureMLSubmittedRun(SubmittedRun):
    """A job on Azure ML compute, as mlflow sees a submitted project run."""

    def __init__(self, workspace: Workspace, job: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._job = job
        self._address = studio_url(workspace.tracking_uri, job)
        say(f"job {job} submitted: {self._address}")

    @property
    def run_id(self) -> str:
        """Name of the job, which is the id of its run."""
        return self._job

    def record(self, record: ProjectRecord) -> None:
        """Write to the job's run the parameters and tags that a local run would have.

        Raises an AzureMLError if the tracking server does not take them.
        """
        try:
            write_record(mlflow.MlflowClient(), self.run_id, record)
        except MlflowException as error:
            raise AzureMLError(
                f"job {self.run_id}: its parameters and tags were not recorded: {_said(error)}"
            ) from None

    def finish(self) -> None:
        """Follow the job to its end; raises an AzureMLError unless it has completed."""
        try:
            finish(self._workspace, self._job)
        except KeyboardInterrupt:
            self.cancel()
            raise

    def wait(self) -> bool:
        """Wait for the job to end; return whether it completed."""
        if self._state() not in STATUSES:
            try:
                self.finish()
            except AzureMLError as error:
                warn(str(error))
        return self._state() == COMPLETED

    def get_status(self) -> str:
        """Return the job's status as mlflow names it."""
        status = STATUSES.get(self._state(), RunStatus.RUNNING)
        name: str = RunStatus.to_string(status)
        return name

    def cancel(self) -> None:
        """Ask Azure to cancel the job."""
        cancel(self._workspace, self._job)

    def _state(self) -> str:
        return str(details_of(self._workspace, self._job).get("status"))


def finish(workspace: Workspace, job: str) -> None:
    """Follow a job to its end; raises an AzureMLError unless it has completed."""
    address = studio_url(workspace.tracking_uri, job)
    end = follow(workspace, job)
    if end.state != COMPLETED:
        said = f": {end.message}" if end.message else ""
        log = "its log is above" if end.has_log else "there is no log of it"
        raise AzureMLError(f"job {job} {end.state.lower()}{said}; {log}; its page: {address}")
    say(f"job {job} completed: {address}")


def cancel(workspace: Workspace, job: str) -> None:
    """Ask Azure to cancel a job."""
    workspace.azure.post(f"/jobs/{job}/cancel")
    say(f"job {job}: asked Azure to cancel it: {studio_url(workspace.tracking_uri, job)}")


def open_workspace(tracking_uri: str, config: Callable[[], WorkspaceConfig]) -> Workspace:
    """Find the workspace that an `azureml://` tracking URI names, or else the config's."""
    if tracking_uri.startswith(AZURE):
        return find_workspace(config_from_uri(tracking_uri), tracking_uri.rstrip("?"))
    return find_workspace(config())


def _config(work_dir: Path) -> WorkspaceConfig:
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
    if tracking_uri.startswith(AZURE):
        hand_login_to_mlflow(tracking_uri)
    try:
        name: str = mlflow.MlflowClient(tracking_uri).get_experiment(experiment_id).name
    except MlflowException as error:
        raise AzureMLError(
            f"expected the id of an experiment of the tracking server, found {experiment_id}: "
            f"{_said(error)}; or name it with --experiment-name"
        ) from None
    return name


def _said(error: MlflowException) -> str:
    return " ".join(masked(str(error.message)).split())


def _job(
    settings: JobSettings,
    project: Project,
    declared: EntryPoint,
    given: Mapping[str, str],
    experiment: str,
    work_dir: Path,
) -> Job:
    files = list_files(work_dir)
    check_size(files)
    kinds = {name: item.type for name, item in declared.parameters.items()}
    defaults = {
        name: str(item.default)
        for name, item in declared.parameters.items()
        if item.default is not None
    }
    # Defaults, too, may name local files or data in Azure.
    parameters = job_parameters(
        {**defaults, **given},
        files,
        [name for name, kind in kinds.items() if kind == "path"],
        Path.cwd(),
        settings.outputs,
    )
    environment = None
    if settings.environment is None:
        environment = declared_environment(
            project, settings.image, settings.nodes, dict(os.environ)
        )
    return Job(
        project=project.name or work_dir.name,
        entry_point=declared.name,
        # mlflow quotes every value for the shell.
        command=declared.compute_command(dict(parameters.texts), storage_dir=None),
        parameters=parameters,
        files=files,
        environment=environment,
        experiment=experiment,
        settings=settings,
    )
