"""Use all nodes of a job with Dask: this file is uploaded with the project and starts the command.

It starts `dask worker` on every node and `dask scheduler` on the first. Once all nodes have joined,
the first runs the command, which finds the cluster through Dask's own DASK_SCHEDULER_ADDRESS. When
the command ends, everything ends. This file stands alone: it imports nothing from this package.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

FILE = ".mlflow_aml_nodes.py"
SECONDS_FOR_ALL_NODES = 1800
SECONDS_WITHOUT_SCHEDULER = 60
SECONDS_TO_CLOSE = 60


def source() -> bytes:
    """Return the text of this file, to be uploaded as `FILE`."""
    return Path(__file__).read_bytes()


def quoted(command: str) -> str:
    """Quote a command as one word of the shell."""
    return shlex.quote(command)


def main(command: str) -> int:
    """Run this node's part; returns its exit code, which on the first node is the command's."""
    rank, size = int(os.environ.get("NODE_RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    # The port is for processes of this job to meet at, and nothing else uses it here.
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # Children end with this process when the service stops it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        if rank == 0:
            return _first(command, place, size, processes)
        return _other(rank, place, processes)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()


def _first(
    command: str, place: tuple[str, int], size: int, processes: list[subprocess.Popen[bytes]]
) -> int:
    from distributed import Client

    address = f"tcp://{place[0]}:{place[1]}"
    options = ["--host", place[0], "--port", str(place[1]), "--no-dashboard"]
    processes.append(_dask("scheduler", *options))
    _wait_for(place)
    processes.append(_worker(0, place))
    with Client(address) as client:
        _wait_for_nodes(client, size)
        print(f"nodes: all {size} are here", flush=True)  # noqa: T201 - the job's log
        environment = {**os.environ, "DASK_SCHEDULER_ADDRESS": address}
        code = subprocess.run(["/bin/bash", "-c", command], env=environment, check=False).returncode
        client.shutdown()
    # A scheduler that is stopped while it closes may hang.
    for process in processes:
        process.wait(SECONDS_TO_CLOSE)
    return code if code >= 0 else 128 - code


def _other(rank: int, place: tuple[str, int], processes: list[subprocess.Popen[bytes]]) -> int:
    _wait_for(place)
    processes.append(_worker(rank, place))
    return processes[0].wait()


def _dask(*arguments: str) -> subprocess.Popen[bytes]:
    quiet = {
        "DASK_LOGGING__DISTRIBUTED": "warning",
        # Without a dashboard nobody looks at the samples of each 10 ms, nor at delays of 20 ms.
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
        "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    }
    return subprocess.Popen([sys.executable, "-m", "dask", *arguments], env={**os.environ, **quiet})


def _worker(rank: int, place: tuple[str, int]) -> subprocess.Popen[bytes]:
    """Start one worker process for each core that this node may use."""
    return _dask(
        "worker",
        f"tcp://{place[0]}:{place[1]}",
        *("--host", _own_address(place)),
        *("--name", f"node-{rank}"),
        *("--nworkers", str(len(os.sched_getaffinity(0)))),
        *("--nthreads", "1"),
        *("--death-timeout", str(SECONDS_WITHOUT_SCHEDULER)),
        "--no-dashboard",
    )


def _own_address(place: tuple[str, int]) -> str:
    """Return this node's address in the network of the first one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(place)  # sends nothing
        return str(probe.getsockname()[0])


def _wait_for(place: tuple[str, int]) -> None:
    deadline = time.monotonic() + SECONDS_FOR_ALL_NODES
    while True:
        try:
            with socket.create_connection(place, 5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"nodes: the first one does not answer at {place}") from None
            time.sleep(0.2)


def _wait_for_nodes(client: object, size: int) -> None:
    def names(dask_scheduler: object) -> list[str]:
        return [str(worker.name) for worker in dask_scheduler.workers.values()]  # type: ignore[attr-defined]

    deadline = time.monotonic() + SECONDS_FOR_ALL_NODES
    while True:
        here = {"-".join(name.split("-")[:2]) for name in client.run_on_scheduler(names)}  # type: ignore[attr-defined]
        if len(here) >= size:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"nodes: expected {size}, found {', '.join(sorted(here)) or 'none'}")
        time.sleep(0.2)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
