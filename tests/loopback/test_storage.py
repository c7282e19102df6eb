"""Finding Azurite, and servers that do not outlive their workspace."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loopback.processes import Server, free_port, plain_environment
from loopback.storage import StorageUnavailableError, find_azurite


def test_without_node_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageUnavailableError, match=r"needs Node\.js"):
        find_azurite()


def test_without_npm_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(StorageUnavailableError, match="no 'npm' on PATH"):
        find_azurite()


def test_a_server_that_does_not_start_tells_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    server = Server("it", command, plain_environment(), tmp_path / "log", free_port())
    with pytest.raises(RuntimeError, match="no such option"):
        server.wait()


def test_a_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    log = tmp_path / "log"
    serve = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
    parent = (
        "import pathlib, sys, time\n"
        "from loopback.processes import Server, free_port, plain_environment\n"
        f"command = [sys.executable, '-c', {serve!r}]\n"
        f"Server('it', command, plain_environment(), pathlib.Path({str(log)!r}), free_port())\n"
        "time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=root)
    _until(lambda: log.exists() and log.read_text().strip() != "")
    process.send_signal(signal.SIGKILL)
    process.wait()
    server = int(log.read_text())
    _until(lambda: not Path(f"/proc/{server}").exists() or _is_zombie(server))


def _is_zombie(pid: int) -> bool:
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
