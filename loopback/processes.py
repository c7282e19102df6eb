"""Start and stop the real servers behind the workspace."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# The shell ends the whole group when the server ends or when its own input closes, which it does
# even if this process is killed: no server outlives its workspace.
_GUARD = '("$@" </dev/null; kill 0) & cat >/dev/null; kill 0'


class Server:
    """A server process with everything it starts, in a process group of its own."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path, port: int
    ) -> None:
        self.name = name
        self.port = port
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, name, *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )

    def wait(self, seconds: float = 60) -> None:
        """Wait until the port answers; RuntimeError with the end of the log if it does not."""
        deadline = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return
            time.sleep(0.05)
        tail = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{self.name} did not start:\n{tail}")

    def stop(self) -> None:
        """Kill the process group at once: nothing in it is worth saving."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain_environment() -> dict[str, str]:
    """Return this process's environment without variables that point to a server or a proxy."""
    prefixes = ("AZURE", "MLFLOW", "_MLFLOW", "ARM_", "MSI_", "IDENTITY_")
    names = {
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    }
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(prefixes) and key.upper() not in names
    }
