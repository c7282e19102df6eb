"""The execution service: it really runs the submitted commands, in subprocesses of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loopback.artifacts import RUN, Artifacts, container_of
from loopback.names import Names
from loopback.snapshots import Snapshots
from loopback.tokens import Tokens
from loopback.tracking import Tracking

LOG = "user_logs/std_log.txt"
_LOG_INTERVAL = 0.5
_MLFLOW_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


@dataclass
class Job:
    """One submitted command; its run in the mlflow server has the same id."""

    run: str
    experiment: str
    experiment_id: str
    snapshot: str
    configuration: dict[str, Any]
    folder: Path
    """Holds `code`, the assembled snapshot; `home`; and the log."""
    status: str = "Preparing"
    started: str | None = None
    ended: str | None = None
    error: str | None = None
    canceled: bool = False
    process: asyncio.subprocess.Process | None = None
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def log(self) -> str:
        path = self.folder / "std_log.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def command(self) -> str:
        """The command line for a shell, of either form that a run configuration has."""
        if command := self.configuration.get("command"):
            return command if isinstance(command, str) else " ".join(command)
        arguments = self.configuration.get("arguments") or []
        return " ".join(["python", self.configuration["script"], *map(str, arguments)])

    def kill(self) -> None:
        """End the job's process group."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Runner:
    """Run jobs side by side, each with a cluster's variables and without the user's login."""

    def __init__(
        self,
        names: Names,
        tokens: Tokens,
        tracking: Tracking,
        artifacts: Artifacts,
        snapshots: Snapshots,
    ) -> None:
        self.names = names
        self.tokens = tokens
        self.tracking = tracking
        self.artifacts = artifacts
        self.snapshots = snapshots
        self.network: dict[str, str] = {}
        self.jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> None:
        """Start a job and return at once."""
        self.jobs[job.run] = job
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, run: str) -> None:
        """Ask a job to end; without effect if it has ended."""
        job = self.jobs[run]
        if job.ended is None:
            job.canceled = True
            job.kill()

    async def stop(self) -> None:
        """Cancel what still runs and wait for it."""
        for run in self.jobs:
            self.cancel(run)
        await asyncio.gather(*self._tasks)

    async def _run(self, job: Job) -> None:
        try:
            job.code.mkdir(parents=True)
            await self.snapshots.assemble(self.tracking.session, job.snapshot, job.code)
            if not job.canceled:
                code = await self._execute(job)
                if code != 0 and not job.canceled:
                    job.error = (
                        f"Execution failed. User process 'python' exited with status code {code}. "
                        f"Please check log file '{LOG}' for error details."
                    )
            await self._keep_outputs(job)
        except Exception as error:  # whatever went wrong here, a client must see the job end
            job.error = f"The loopback workspace could not run the job: {error!r}"
            raise
        finally:
            job.ended = _now()
            status = "Canceled" if job.canceled else "Failed" if job.error else "Completed"
            await self._report(job, _MLFLOW_STATUS[status])
            job.status = status

    async def _execute(self, job: Job) -> int:
        log = job.folder / "std_log.txt"
        (job.folder / "home").mkdir()
        with log.open("wb") as out:
            job.process = await asyncio.create_subprocess_exec(
                "/bin/bash",
                "-c",
                job.command,
                cwd=job.code,
                env=self._environment(job),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        job.started, job.status = _now(), "Running"
        if job.canceled:
            job.kill()
        await self._report(job, "RUNNING")
        return await self._follow(job, log)

    async def _follow(self, job: Job, log: Path) -> int:
        """Publish the log while the job runs; return its exit code."""
        assert job.process is not None
        ended = asyncio.create_task(job.process.wait())
        limit = job.configuration.get("maxRunDurationSeconds")
        deadline = asyncio.get_running_loop().time() + (limit or float("inf"))
        published = -1
        while True:
            done, _ = await asyncio.wait({ended}, timeout=_LOG_INTERVAL)
            if (size := log.stat().st_size) != published:
                await self._publish(job, LOG, log.read_bytes())
                published = size
            if done:
                job.kill()  # what the command left behind in its group
                return ended.result()
            if asyncio.get_running_loop().time() > deadline:
                job.error = f"The run exceeded its limit of {limit} seconds."
                self.cancel(job.run)

    async def _keep_outputs(self, job: Job) -> None:
        outputs = job.code / "outputs"
        for path in sorted(p for p in outputs.rglob("*") if p.is_file()):
            await self._publish(job, path.relative_to(job.code).as_posix(), path.read_bytes())

    async def _publish(self, job: Job, path: str, content: bytes) -> None:
        blob = self.artifacts.add(RUN, container_of(job.run), path)
        await self.snapshots.storage.put(self.tracking.session, blob, content)

    async def _report(self, job: Job, status: str) -> None:
        body: dict[str, Any] = {"run_id": job.run, "status": status}
        if job.ended:
            body["end_time"] = int(datetime.fromisoformat(job.ended).timestamp() * 1000)
        await self.tracking.call("POST", "runs/update", body)

    def _environment(self, job: Job) -> dict[str, str]:
        names = self.names
        token, expires = self.tokens.issue("job", run=job.run)
        environment = job.configuration.get("environment") or {}
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(job.folder / "home"),
            "LANG": "C.UTF-8",
            **self.network,
            "AZUREML_ARM_SUBSCRIPTION": names.subscription,
            "AZUREML_ARM_RESOURCEGROUP": names.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": names.workspace,
            "AZUREML_ARM_PROJECT_NAME": job.experiment,
            "AZUREML_EXPERIMENT_ID": job.experiment_id,
            "AZUREML_WORKSPACE_ID": names.workspace_id,
            "AZUREML_SERVICE_ENDPOINT": names.api_url,
            "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{names.api_url}/discovery",
            "AZUREML_RUN_ID": job.run,
            "AZUREML_RUN_TOKEN": token,
            "AZUREML_RUN_TOKEN_EXPIRY": str(int(expires)),
            "MLFLOW_TRACKING_URI": names.tracking_uri.rstrip("?"),
            "MLFLOW_TRACKING_TOKEN": token,
            "MLFLOW_RUN_ID": job.run,
            "MLFLOW_EXPERIMENT_ID": job.experiment_id,
            "MLFLOW_EXPERIMENT_NAME": job.experiment,
            **(environment.get("environmentVariables") or {}),
            **(job.configuration.get("environmentVariables") or {}),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat()
