"""The compute: it really runs the submitted commands, in subprocesses of this machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

from loopback.artifacts import RUN, Artifacts, container_of
from loopback.job import Job, expand, now, seconds
from loopback.mounts import Mounts
from loopback.names import Names
from loopback.node_cores import command_prefix, remove_groups
from loopback.processes import free_port
from loopback.storage import Storage
from loopback.tokens import Tokens
from loopback.tracking import Tracking

BUILD_LOG = "azureml-logs/20_image_build_log.txt"
_LOG_INTERVAL = 0.2
_MLFLOW_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


@dataclass
class Runner:
    """Run jobs side by side, each with a cluster's variables and without the user's login.

    `cores_per_node` gives each node cores of its own, or a share of one if it is less than 1; None
    leaves all nodes all cores.
    `failing_build` is the log of an image build that fails, for the jobs to come.
    """

    names: Names
    tokens: Tokens
    tracking: Tracking
    artifacts: Artifacts
    storage: Storage
    mounts: Mounts
    network: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    python: Path = Path(sys.executable)
    """The Python of every job: no environment is built."""
    cores_per_node: float | None = None
    failing_build: str | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def submit(self, job: Job) -> None:
        """Start a job and return at once."""
        self.jobs[job.run] = job
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, run: str) -> None:
        """Ask a job to end; do nothing if it has already ended."""
        job = self.jobs[run]
        if job.ended is None:
            job.canceled = True
            job.kill()

    def preempt(self, run: str) -> None:
        """Take a job's nodes away, as Azure does with low-priority ones, and start it again."""
        self.jobs[run].preempted = True
        self.jobs[run].kill()

    def delete(self, run: str) -> None:
        """Forget a job."""
        self.cancel(run)
        del self.jobs[run]

    async def stop(self) -> None:
        """Cancel what still runs and wait for it."""
        for run in self.jobs:
            self.cancel(run)
        await asyncio.gather(*self._tasks)
        remove_groups()

    async def _run(self, job: Job) -> None:
        try:
            job.status = "Preparing"
            job.code.mkdir(parents=True)
            (job.folder / "home").mkdir()
            if self.failing_build is None:
                await self._fetch_code(job)
                texts = await self.mounts.mount(job.properties, job.run, job.folder)
                while not job.canceled and await self._attempt(job, texts):
                    job.attempt += 1
                job.status = "Finalizing"
                await self.mounts.keep_outputs(job.properties, job.run, job.folder)
                await self._keep_artifacts(job)
            else:
                await self._publish(job, BUILD_LOG, self.failing_build.encode())
                job.error = (
                    "Image build failed. For more details, check log file "
                    f"{BUILD_LOG}. Details: Environment build failed."
                )
        except Exception as error:  # whatever went wrong here, a client must see the job end
            job.error = f"The loopback workspace could not run the job: {error!r}"
            raise
        finally:
            job.ended = now()
            status = "Canceled" if job.canceled else "Failed" if job.error else "Completed"
            try:
                if job.run in self.jobs:
                    await self._report(job, _MLFLOW_STATUS[status])
            finally:
                job.status = status

    async def _attempt(self, job: Job, texts: Mapping[str, str]) -> bool:
        """Run the command on all nodes to its end; return whether to start it again."""
        job.processes = []
        job.preempted = False
        command = expand(job.properties["command"], texts)
        port = free_port()
        cores = self.cores_per_node
        job.places = self._free_places(job.nodes)
        for rank, place in enumerate(job.places):
            with job.log_file(rank).open("wb") as out:
                process = await asyncio.create_subprocess_exec(
                    *([] if cores is None else command_prefix(place, cores)),
                    *("/bin/bash", "-c", command),
                    cwd=job.code,
                    env=self._environment(job, rank, port),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            job.processes.append(process)
        job.started, job.status = job.started or now(), "Running"
        if job.canceled:
            job.kill()
        await self._report(job, "RUNNING")
        code = await self._follow(job)
        if job.preempted and not job.canceled:
            job.status = "Queued"
            return True
        if code != 0 and not job.canceled:
            job.error = (
                f"Execution failed. User process 'python' exited with status code {code}. "
                f"Please check log file '{job.log_name(0)}' for error details."
            )
        return False

    def _free_places(self, nodes: int) -> list[int]:
        taken = {place for job in self.jobs.values() if job.ended is None for place in job.places}
        return list(islice((place for place in count() if place not in taken), nodes))

    async def _follow(self, job: Job) -> int:
        """Publish the logs while the job runs; return its exit code."""
        ended = {asyncio.create_task(process.wait()) for process in job.processes}
        limit = seconds((job.properties.get("limits") or {}).get("timeout"))
        deadline = asyncio.get_running_loop().time() + (limit or float("inf"))
        published: dict[int, int] = {}
        code, open_tasks = 0, ended
        while True:
            done, open_tasks = await asyncio.wait(open_tasks, timeout=_LOG_INTERVAL)
            code = code or next((task.result() for task in done if task.result()), 0)
            for rank in range(job.nodes):
                content = job.log_file(rank).read_bytes()
                if published.get(rank) != len(content):
                    await self._publish(job, job.log_name(rank), content)
                    published[rank] = len(content)
            if code or not open_tasks:
                job.kill()  # other nodes, and what a command left behind in its group
                if not open_tasks:
                    return code
            if asyncio.get_running_loop().time() > deadline:
                job.error = f"The run exceeded its limit of {limit} seconds."
                self.cancel(job.run)

    async def _fetch_code(self, job: Job) -> None:
        code = job.code_asset
        for path, blob in code.blobs.items():
            target = job.code / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(await self.storage.get(self.tracking.session, blob, code.container))

    async def _keep_artifacts(self, job: Job) -> None:
        outputs = job.code / "outputs"
        for path in sorted(p for p in outputs.rglob("*") if p.is_file()):
            await self._publish(job, path.relative_to(job.code).as_posix(), path.read_bytes())

    async def _publish(self, job: Job, path: str, content: bytes) -> None:
        blob = self.artifacts.add(RUN, container_of(job.run), path)
        await self.storage.put(self.tracking.session, blob, content)

    async def _report(self, job: Job, status: str) -> None:
        body: dict[str, Any] = {"run_id": job.run, "status": status}
        if job.ended:
            body["end_time"] = int(datetime.fromisoformat(job.ended).timestamp() * 1000)
        await self.tracking.call("POST", "runs/update", body)

    def _environment(self, job: Job, rank: int, port: int) -> dict[str, str]:
        names = self.names
        token, expires = self.tokens.issue("job", run=job.run)
        place = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "WORLD_SIZE": str(job.nodes),
            "NODE_RANK": str(rank),
            "RANK": str(rank),
            "LOCAL_RANK": "0",
        }
        return {
            "PATH": f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(job.folder / "home"),
            "LANG": "C.UTF-8",
            **self.network,
            **(place if job.properties.get("distribution") else {}),
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
            **(job.properties.get("environmentVariables") or {}),
        }
