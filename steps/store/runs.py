"""Open the runs of steps, log to them, read them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import mlflow
from mlflow.entities import DatasetInput, Metric, Param, RunStatus, RunTag
from mlflow.entities import Run as Run  # scripts name its type, and import no MLflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps.base.errors import StepError
from steps.base.parameters import as_recorded, from_recorded
from steps.base.record import Record
from steps.base.secrets import masked
from steps.data.sources import without_secrets
from steps.report.origin import page
from steps.store import recorded_secrets
from steps.store.artifacts import NO_SUCH_RUN, upload
from steps.store.destination import AZURE
from steps.store.run_names import NAME, is_generated

STEP = "step"
KEY = "step.key"
UPSTREAM = "step.upstream_run_id"
OUTPUT = "step.output_digest"
DESCRIPTION, PARENT = "mlflow.note.content", "mlflow.parentRunId"
# Of an experiment.
KIND, MODEL_TRAINING = "mlflow.experimentKind", "custom_model_development"

FINISHED = RunStatus.to_string(RunStatus.FINISHED)
RUNNING = RunStatus.to_string(RunStatus.RUNNING)


@dataclass(frozen=True)
class StepRun:
    """The open run of a step; `parameters` are the texts it was opened with."""

    client: MlflowClient
    id: str
    experiment_id: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def log(self, record: Record) -> None:
        """Log parameters, metrics and tags in one request, then the files.

        Secrets in addresses are masked.
        """
        now = int(time.time() * 1000)
        self.client.log_batch(
            self.id,
            metrics=[Metric(name, value, now, 0) for name, value in record.metrics.items()],
            params=[Param(name, masked(value)) for name, value in record.params.items()],
            tags=[RunTag(name, masked(value)) for name, value in record.tags.items()],
        )
        for path, folder in record.files:
            upload(self.client, self.id, path, folder)

    def log_inputs(self, inputs: list[DatasetInput]) -> None:
        """Log the data sets that the run reads."""
        try:
            self.client.log_inputs(self.id, inputs)
        except MlflowException:
            # MLflow 3.15's SQL store looks for the data set and then adds it: of two runs that
            # start together the second fails to add what now is there. Other reasons show again.
            self.client.log_inputs(self.id, inputs)


@contextmanager
def open_run(
    step: str, parameters: Mapping[str, str], name: str, *, nested: bool = False
) -> Iterator[StepRun]:
    """Open the run of a step: the one `mlflow run` made, a new one, or a nested one.

    The run records all parameters of the step as `mlflow run` does, and ends FINISHED, or FAILED
    if the block raises. A run opened by `mlflow run` or by Azure ML keeps a name that somebody
    gave it. A job's second step has a nested run, because the job's own is that of the first.
    """
    joined = "MLFLOW_RUN_ID" in os.environ
    with mlflow.start_run(run_name=None if joined else name, nested=nested) as active:
        if not nested and active.data.tags.get(STEP, step) != step:
            with open_run(step, parameters, name, nested=True) as second:
                yield second
            return
        run = StepRun(MlflowClient(), active.info.run_id, active.info.experiment_id, parameters)
        named = joined and is_generated(active.info.run_name or "")
        # MLflow's own tags may hold one too: the address of the project's repository.
        if not joined or mlflow.get_tracking_uri().startswith(AZURE):
            recorded_secrets.mask(active)
        missing = {
            name: as_recorded(masked(text))
            for name, text in parameters.items()
            if name not in active.data.params
        }
        run.log(Record(params=missing, tags={**({NAME: name} if named else {}), STEP: step}))
        if PARENT not in active.data.tags:
            _mark_experiment(run)
        yield run


def _mark_experiment(run: StepRun) -> None:
    """Tell MLflow's pages what the experiment is for, unless it says so.

    Otherwise they guess, and may show an experiment of models as one of prompts and traces. Those
    of mlflow 3.15 ask only the address (see `origin.page`); servers of other versions ask this tag.
    """
    if mlflow.get_tracking_uri().startswith(AZURE):
        return
    if KIND not in run.client.get_experiment(run.experiment_id).tags:
        # Another run that starts at the same time may add it first.
        with suppress(MlflowException):
            run.client.set_experiment_tag(run.experiment_id, KIND, MODEL_TRAINING)


def link(title: str, run: Run | StepRun, artifact: str = "") -> str:
    """Link to a run or one of its artifacts, in Markdown, for a description in MLflow's pages."""
    if isinstance(run, StepRun):
        experiment_id, run_id = run.experiment_id, run.id
    else:
        experiment_id, run_id = run.info.experiment_id, run.info.run_id
    if mlflow.get_tracking_uri().startswith(AZURE):
        # Its pages have other addresses, which would fill most of a description.
        return f"{title} `{artifact or run_id}`"
    return f"[{title}]({page(experiment_id, run_id, artifact)})"


def made_by(tags: Mapping[str, str]) -> dict[str, str]:
    """Pick who and what made a run: the runs within it say so too."""
    return {
        name: value
        for name, value in tags.items()
        if name == "mlflow.user" or name.startswith("mlflow.source.")
    }


def recorded_parameters(run: Run, names: Iterable[str]) -> dict[str, str]:
    """Return those parameters in `names` that a run has recorded."""
    params = run.data.params
    return {name: from_recorded(params[name]) for name in names if name in params}


def data_location(prepared: Run) -> str:
    """Return where a preprocess run read its table: a path, or a URI without its secrets."""
    return without_secrets(recorded_parameters(prepared, ["data"]).get("data", ""))


def output_digest(run: Run) -> str:
    """Return the digest of a preprocess run's output, or the run's id if it has none."""
    digest: str = run.data.tags.get(OUTPUT, run.info.run_id)
    return digest


def finished(
    client: MlflowClient, experiment_id: str, step: str, *, key: str | None = None
) -> Iterator[Run]:
    """Yield the FINISHED runs of a step in an experiment, newest first."""
    wanted = f"tags.`{STEP}` = '{step}'" + (f" and tags.`{KEY}` = '{key}'" if key else "")
    # Compare the status here: servers differ in how a filter may name it.
    for run in find_runs(client, experiment_id, wanted):
        if run.info.status == FINISHED:
            yield run


def find_runs(
    client: MlflowClient, experiment_id: str, wanted: str, *, at_once: int = 1000
) -> Iterator[Run]:
    """Yield the runs of an experiment that match a filter string, newest first.

    `at_once` are read in one request.
    """
    token = None
    while True:
        try:
            page = client.search_runs(
                [experiment_id],
                wanted,
                max_results=at_once,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        except ValueError as error:
            # MLflow 3.15 writes a run's files in place: a kill during that leaves an empty file.
            raise StepError(
                f"expected readable runs in {mlflow.get_tracking_uri()}, found a damaged one "
                f"({error}); a folder of runs does not survive every kill: use a database "
                "(MLFLOW_TRACKING_URI=sqlite:///mlflow.db), or delete the run last killed"
            ) from error
        yield from page
        token = page.token
        if not token:
            return


def get_run(client: MlflowClient, run_id: str, step: str) -> Run:
    """Read a run and check that it belongs to the given step."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in NO_SUCH_RUN:
            raise
        raise StepError(
            f"expected the id of a {step} run in {mlflow.get_tracking_uri()}, found no run "
            f"{run_id}; list them with: mlflow runs list --experiment-id <id>"
        ) from error
    found = run.data.tags.get(STEP)
    if found != step:
        what = f"a run of {found}" if found else "a run of another program"
        raise StepError(f"expected the id of a {step} run, found {what} ({run_id})")
    return run
