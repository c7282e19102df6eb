"""Follow a job on Azure ML compute: its state and its log as they grow."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest, HttpResponse

from mlflow_aml.console import say, warn
from mlflow_aml.errors import FAILURE, AzureMLError, UnreachableError
from mlflow_aml.mask import masked
from mlflow_aml.resource_manager import (
    BUSY,
    NOT_FOUND,
    RefusedError,
    Workspace,
)

COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"
ENDED = (COMPLETED, FAILED, CANCELED)
# Image build, and what the command prints; the service's own logs would drown them.
FOLLOWED = ("user_logs/", "azureml-logs/20_image_build_log")
# A lost node's successor writes there.
RETRY = "user_logs/retry_"
LINES_KEPT = 20
# Shorter lines, such as a bracket, may be in a message by chance.
SHORTEST_LINE = 8
# The end of a job is seen within a tenth of the time that it took, or 15 s.
SECONDS_FIRST, SECONDS_LAST, GROWTH = 0.5, 15.0, 1.1
# A laptop that wakes up needs time to reconnect; most of Azure's outages are shorter.
SECONDS_OUT_OF_TOUCH = 600.0
OK, PARTIAL, NOT_SATISFIABLE = 200, 206, 416


class NoJobError(AzureMLError):
    """The workspace has no such job: it was deleted, or has another name."""


@dataclass
class Log:
    """The parts of the job's log files that have been read so far."""

    read: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rest: dict[str, bytes] = field(default_factory=lambda: defaultdict(bytes))
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))

    def add(self, name: str, content: bytes) -> list[str]:
        """Add a file's new bytes; return the lines that they complete."""
        self.read[name] += len(content)
        *lines, self.rest[name] = (self.rest[name] + content).split(b"\n")
        texts = [line.decode("utf-8", errors="replace") for line in lines]
        self.last.extend(texts)
        return texts

    def end(self) -> list[str]:
        """Return last lines that have no newline."""
        lines = [line.decode("utf-8", errors="replace") for line in self.rest.values() if line]
        self.rest.clear()
        self.last.extend(lines)
        return lines


@dataclass(frozen=True)
class End:
    """How a job ended: its state, Azure's own word on a failure, and whether there was a log.

    The message has nothing of the log, whose lines have been printed.
    """

    state: str
    message: str
    has_log: bool


def follow(workspace: Workspace, job: str, patience: float = SECONDS_OUT_OF_TOUCH) -> End:
    """Print the job's states and log until it has ended.

    Gives up after `patience` seconds without an answer; the job itself goes on.
    """
    log, state, pause = Log(), "", SECONDS_FIRST
    with _plain_client() as client:
        while True:
            details = _patient_details(workspace, job, patience)
            files = details.get("logFiles") or {}
            if any(name.startswith(RETRY) and name not in log.read for name in files):
                warn(f"job {job}: a node was taken away, Azure has started the job again")
            for name, address in sorted(files.items(), key=_attempt):
                if name.startswith(FOLLOWED):
                    for line in log.add(name, _grown(client, address, name, log)):
                        say(line)
            new = str(details.get("status") or "Unknown")
            if new in ENDED:
                for line in log.end():
                    say(line)
            if new != state:
                state, pause = new, SECONDS_FIRST
                say(f"job {job}: {state}")
            if state in ENDED:
                return End(state, without_lines(log.last, _error(details)), bool(log.last))
            time.sleep(pause)
            pause = min(pause * GROWTH, SECONDS_LAST)


def _attempt(log_file: tuple[str, str]) -> tuple[bool, str]:
    """Order log files by attempt: those of a lost node's successors come last."""
    name, _ = log_file
    return name.startswith(RETRY), name


def details_of(workspace: Workspace, job: str) -> dict[str, Any]:
    """Ask for a job's state, log files and error."""
    scope = workspace.azure.scope
    try:
        return workspace.azure.get_url(f"{workspace.api}/history/v1.0{scope}/runs/{job}/details")
    except RefusedError as error:
        if error.status == NOT_FOUND:
            raise NoJobError(
                f"the workspace has no job {job}: it was deleted, or has another name"
            ) from None
        raise


def _patient_details(workspace: Workspace, job: str, patience: float) -> dict[str, Any]:
    """Ask for the job's details until there is an answer; give up after `patience` seconds.

    Raises at once what waiting does not help, such as an expired login or a closed network.
    """
    lost, pause = None, SECONDS_FIRST
    again = f"follow it again with: python -m mlflow_aml follow {job}"
    while True:
        try:
            return details_of(workspace, job)
        except NoJobError:
            raise
        except AzureMLError as error:
            if not _may_pass(error):
                raise AzureMLError(
                    f"{error}; the job {job} goes on; {again}", exit_code=error.exit_code
                ) from None
            now = time.monotonic()
            if lost is None:
                lost = now
                warn(f"{error}; the job {job} goes on; asking again")
            if now - lost >= patience:
                raise AzureMLError(
                    f"lost touch with the job {job}, which goes on; {again}", exit_code=FAILURE
                ) from None
            time.sleep(pause)
            pause = min(pause * 2, SECONDS_LAST)


def _may_pass(error: AzureMLError) -> bool:
    if isinstance(error, RefusedError):
        return error.status == BUSY or error.status >= 500
    return isinstance(error, UnreachableError)


def _plain_client() -> PipelineClient[HttpRequest, HttpResponse]:
    # Addresses of log files hold a signature: no login goes there, and nothing of it is logged.
    return PipelineClient("https://", policies=[policies.RetryPolicy(retry_total=1)])


def _grown(
    client: PipelineClient[HttpRequest, HttpResponse], address: str, name: str, log: Log
) -> bytes:
    """Read the new bytes of a log file, or nothing if it cannot be read now.

    A file that has shrunk was started again, so it is read from its start.
    """
    start = log.read[name]
    try:
        answer = client.send_request(
            HttpRequest("GET", address, headers={"Range": f"bytes={start}-"})
        )
        if answer.status_code == NOT_SATISFIABLE and start:
            size = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if size.isdecimal() and int(size) < start:
                log.read[name] = 0
                log.rest.pop(name, None)
                return _grown(client, address, name, log)
            return b""
        content: bytes = answer.content
    except AzureError:
        return b""
    if answer.status_code == PARTIAL:
        return content
    return content[start:] if answer.status_code == OK else b""


def _error(details: dict[str, Any]) -> str:
    error = details.get("error")
    inner = error.get("error") if isinstance(error, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return " ".join(masked(str(message)).split()) if message else ""


def without_lines(lines: Iterable[str], message: str) -> str:
    """Cut a message where it starts to repeat lines of the log."""
    repeated = [" ".join(masked(line).split()) for line in lines]
    places = [message.find(line) for line in repeated if len(line) >= SHORTEST_LINE]
    cut = min((place for place in places if place >= 0), default=len(message))
    return message[:cut].rstrip(" :;,")
