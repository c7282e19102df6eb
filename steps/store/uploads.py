"""Upload artifacts, patiently."""

from __future__ import annotations

import time
from pathlib import Path

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from mlflow.tracking import MlflowClient

TOO_MANY_REQUESTS = 429
ATTEMPTS = 5
SECONDS_LONGEST = 60.0


def upload(client: MlflowClient, run_id: str, path: Path, folder: str) -> None:
    """Log a file or a folder of files to a run, in an artifact folder ("" is the root).

    Azure's storage client asks again when the service fails (503), but not when it is told that
    it asks too much (429). Artifacts are written once, so the second time goes file by file.
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
            # It arrived the first time.
            return
        except HttpResponseError as busy:
            _pause(busy, attempt)
    client.log_artifact(run_id, str(file), folder or None)


def _pause(busy: HttpResponseError, attempt: int) -> None:
    """Wait as long as the service asks for; raises what is no request to wait."""
    if busy.status_code != TOO_MANY_REQUESTS:
        raise busy
    asked = getattr(busy.response, "headers", {}).get("Retry-After", "")
    seconds = float(asked) if asked.isdecimal() else 2.0**attempt
    time.sleep(min(seconds, SECONDS_LONGEST))
