"""One submitted job: what was sent, where it runs, and its state."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loopback.resources import Code

_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$")


@dataclass
class Job:
    """One submitted command; its name is the id of its run."""

    run: str
    experiment: str
    experiment_id: str
    user: str
    properties: dict[str, Any]
    """What was sent."""
    code_asset: Code
    environment: dict[str, Any]
    folder: Path
    """Holds `code`, the uploaded project; `home`; what is mounted; and the logs."""
    status: str = "NotStarted"
    created: str = field(default_factory=lambda: now())
    started: str | None = None
    ended: str | None = None
    error: str | None = None
    canceled: bool = False
    preempted: bool = False
    attempt: int = 0
    """How often it was started again, after a node was taken away."""
    places: list[int] = field(default_factory=list)
    """The numbers of its nodes, among those of all jobs that run."""
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def nodes(self) -> int:
        return int((self.properties.get("resources") or {}).get("instanceCount") or 1)

    @property
    def log(self) -> str:
        """What the first node has printed, in all attempts."""
        paths = sorted(self.folder.glob("log-*-0.txt"))
        return "".join(path.read_text(errors="replace") for path in paths)

    def log_name(self, rank: int) -> str:
        """Return the path of a node's log among the run's artifacts."""
        retry = f"retry_{self.attempt:03}/" if self.attempt else ""
        distributed = self.properties.get("distribution") is not None
        return f"user_logs/{retry}std_log{f'_process_{rank}' if distributed else ''}.txt"

    def log_file(self, rank: int) -> Path:
        return self.folder / f"log-{self.attempt}-{rank}.txt"

    def kill(self) -> None:
        """End the process groups of all nodes."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def expand(command: str, texts: Mapping[str, str]) -> str:
    """Replace `${{inputs.name}}` and `${{outputs.name}}` by their values."""

    def value(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name not in texts:
            raise ValueError(f"the command names {name}, which the job does not have")
        return texts[name]

    return re.sub(r"\$\{\{([^}]*)\}\}", value, command)


def seconds(duration: str | None) -> int | None:
    """Parse an ISO 8601 duration in hours, minutes and seconds."""
    found = _DURATION.match(duration or "")
    if found is None:
        return None
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest


def now() -> str:
    return datetime.now(UTC).isoformat()
