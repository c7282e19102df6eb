"""Upload the artifacts of runs patiently, download them, and check that they exist."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import mlflow.artifacts
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from steps.base.errors import StepError
from steps.store.destination import AZURE

NO_SUCH_RUN = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)}
TOO_MANY_REQUESTS = 429
ATTEMPTS = 5
SECONDS_LONGEST = 60.0


def upload(client: MlflowClient, run_id: str, path: Path, folder: str) -> None:
    """Log a file or a folder of files to a run, in an artifact folder ("" is the root).

    azure-storage-blob 12.27 retries when the service fails (503), but not when the service
    throttles it (429). An artifact can be written only once, so the retry goes file by file.
    """
    log = client.log_artifacts if path.is_dir() else client.log_artifact
    try:
        log(run_id, str(path), folder or None)
        return
    except HttpResponseError as busy:
        _pause(busy, 0)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            inside = file.parent.relative_to(path).as_posix() if path.is_dir() else "."
            where = "/".join(part for part in (folder, inside) if part not in ("", "."))
            _upload_file(client, run_id, file, where)


def _upload_file(client: MlflowClient, run_id: str, file: Path, folder: str) -> None:
    for attempt in range(1, ATTEMPTS):
        try:
            client.log_artifact(run_id, str(file), folder or None)
            return
        except ResourceExistsError:
            # The first attempt uploaded it.
            return
        except HttpResponseError as busy:
            _pause(busy, attempt)
    client.log_artifact(run_id, str(file), folder or None)


def _pause(busy: HttpResponseError, attempt: int) -> None:
    """Wait as long as the service asks; raise any error that is not a request to wait."""
    if busy.status_code != TOO_MANY_REQUESTS:
        raise busy
    asked = getattr(busy.response, "headers", {}).get("Retry-After", "")
    seconds = float(asked) if asked.isdecimal() else 2.0**attempt
    time.sleep(min(seconds, SECONDS_LONGEST))


def download(client: MlflowClient, run_id: str, artifact: str, folder: Path) -> Path:
    """Download one artifact (a file or a folder) of a run."""
    # Azure ML lists only the root; that is enough to tell a missing artifact from a failure.
    top = artifact.partition("/")[0]
    if top not in _listed(client, run_id):
        raise StepError(
            f"expected the artifact {artifact} in run {run_id}, found no {top} there; "
            "use a run whose step finished"
        )
    # By its own address: given a run id, MLflow 3.15 also looks for logged models, which Azure ML
    # does not have, and hides the first error.
    path = fetch(f"{client.get_run(run_id).info.artifact_uri}/{artifact}", folder)
    if not path.exists():
        raise StepError(f"expected the artifact {artifact} in run {run_id}, found nothing")
    return path


def fetch(uri: str, folder: Path) -> Path:
    """Return the local path of an MLflow URI, downloading it to `folder` if needed."""
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))


def holds(client: MlflowClient, run_id: str, wanted: Iterable[str]) -> bool:
    """Tell whether a run exists and still has all artifacts at these paths.

    On Azure ML, check only the root: azureml-mlflow 1.62 cannot list folders with MLflow 3.
    """
    try:
        top = _listed(client, run_id)
    except MlflowException as error:
        if error.error_code not in NO_SUCH_RUN:
            raise
        return False
    inside: dict[str, set[str]] = {}
    for path in wanted:
        folder, slash, _ = path.rpartition("/")
        if path.partition("/")[0] not in top:
            return False
        if slash and not mlflow.get_tracking_uri().startswith(AZURE):
            if folder not in inside:
                inside[folder] = _listed(client, run_id, folder)
            if path not in inside[folder]:
                return False
    return True


def _listed(client: MlflowClient, run_id: str, folder: str | None = None) -> set[str]:
    return {item.path for item in client.list_artifacts(run_id, folder)}
