"""Follow a job on Azure ML compute: its state and its log as they grow."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from mlflow_aml.console import say
from mlflow_aml.errors import FAILURE, AzureMLError

if TYPE_CHECKING:
    from azureml.core import Run

COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"
ENDED = (COMPLETED, FAILED, CANCELED)
# Image build, and what the command prints; the service's own logs would drown them.
FOLLOWED = ("user_logs/", "azureml-logs/20_image_build_log", "azureml-logs/70_driver_log")
LINES_KEPT = 20
SECONDS_FIRST, SECONDS_LAST, GROWTH = 1.0, 15.0, 1.3
SECONDS_FOR_A_LOG = 60


@dataclass
class Log:
    """What has been read of the job's log files."""

    read: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rest: dict[str, str] = field(default_factory=lambda: defaultdict(str))
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))

    def add(self, name: str, content: bytes) -> list[str]:
        """Take what a file has grown by; returns the lines that are complete now."""
        self.read[name] += len(content)
        *lines, self.rest[name] = (
            self.rest[name] + content.decode("utf-8", errors="replace")
        ).split("\n")
        self.last.extend(lines)
        return lines

    def end(self) -> list[str]:
        """Return last lines that have no newline."""
        lines = [line for line in self.rest.values() if line]
        self.rest.clear()
        self.last.extend(lines)
        return lines


def follow(run: Run) -> tuple[str, Log, str]:
    """Print the job's states and log until it has ended.

    Returns the last state, the log, and Azure's own word on a failure ("" if it has none).
    """
    log, state, pause = Log(), "", SECONDS_FIRST
    while True:
        details = _details(run)
        for name, address in sorted(details.get("logFiles", {}).items()):
            if name.startswith(FOLLOWED):
                for line in log.add(name, _grown(address, log.read[name])):
                    say(line)
        if details["status"] in ENDED:
            for line in log.end():
                say(line)
        if details["status"] != state:
            state, pause = details["status"], SECONDS_FIRST
            say(f"job {run.id}: {state}")
        if state in ENDED:
            return state, log, _error(details)
        time.sleep(pause)
        pause = min(pause * GROWTH, SECONDS_LAST)


def _details(run: Run) -> dict[str, Any]:
    from azureml.exceptions import AzureMLException
    from msrest.exceptions import ClientException

    try:
        details: dict[str, Any] = run.get_details()
    except (AzureMLException, ClientException, requests.RequestException):
        raise AzureMLError(
            f"lost touch with the job {run.id}, which goes on; see it in Studio", exit_code=FAILURE
        ) from None
    return details


def _grown(address: str, start: int) -> bytes:
    """Read a log file from byte `start`; nothing if it cannot be read now.

    The address holds a signature, so no error about it may be shown.
    """
    try:
        answer = requests.get(
            address, headers={"Range": f"bytes={start}-"}, timeout=SECONDS_FOR_A_LOG
        )
    except requests.RequestException:
        return b""
    if answer.status_code == requests.codes.partial_content:
        return answer.content
    return answer.content[start:] if answer.status_code == requests.codes.ok else b""


def _error(details: dict[str, Any]) -> str:
    error = details.get("error")
    inner = error.get("error") if isinstance(error, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return " ".join(str(message).split()) if message else ""
