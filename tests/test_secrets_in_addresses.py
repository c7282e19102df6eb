"""Canaries in addresses: whatever fails, no line, traceback or run record reveals one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import DIABETES, SMALL, RunStep, all_runs

pytest.importorskip("aiohttp")
CANARY = "canary9c41"
TABLE = DIABETES.read_bytes()


class Files(BaseHTTPRequestHandler):
    """Serves /whole, half of what it promises at /half, and refuses /403 and /404."""

    def do_GET(self) -> None:
        name = self.path[1:].partition(".")[0]
        status = int(name) if name.isdigit() else 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(TABLE)))
        self.end_headers()
        if status == 200 and self.command == "GET":
            self.wfile.write(TABLE if name == "whole" else TABLE[:5000])

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serve the files on loopback; gives host and port."""
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


@pytest.fixture(scope="module")
def nobody() -> str:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


FAILING = {
    "403": "access is refused (HTTP 403)",
    "404": "there is nothing at this address",
    "half": "could not read",
    "nobody": "no connection",
}


def kept(folder: Path) -> str:
    """Return the whole content of the store as text."""
    files = (path for path in (folder / "mlruns").rglob("*") if path.is_file())
    return "".join(f"{path} {path.read_bytes()!r}" for path in files)


@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.parametrize("form", ["user:{0}@{1}/{2}.csv", "{1}/{2}.csv?sv=1&sig={0}"])
def test_a_table_that_cannot_be_read(
    form: str, kind: str, server: str, nobody: str, run_step: RunStep, tmp_path: Path
) -> None:
    address = "http://" + form.format(CANARY, nobody if kind == "nobody" else server, kind)
    ended = run_step("preprocess", data=address)
    assert FAILING[kind] in ended.err
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert CANARY not in ended.out + ended.err
    assert ended.run.data.params["data"].count("***") == (1 if "user" in form else 2)
    assert CANARY not in kept(tmp_path)


def test_a_traceback(server: str, run_step: RunStep, capfd: pytest.CaptureFixture[str]) -> None:
    from steps.cli import launch
    from steps.store.chain import load

    address = f"http://user:{CANARY}@{server}/403.csv?sig={CANARY}"
    assert launch(load("preprocess"), [f"--data={address}", "--debug"]) == 2
    captured = capfd.readouterr()
    assert "Traceback" in captured.err
    assert CANARY not in captured.out + captured.err


@pytest.mark.parametrize("name", ["model", "input", "workspace", "delimiter"])
def test_other_parameters(name: str, nobody: str, run_step: RunStep, tmp_path: Path) -> None:
    if name == "input":
        run_step("train", **SMALL)
    address = f"http://user:{CANARY}@{nobody}/x.csv?sig={CANARY}"
    ended = run_step("batch_score", **{name: address})
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert CANARY not in ended.out + ended.err + kept(tmp_path)


def test_latest_and_reuse_with_a_secret(
    server: str, run_step: RunStep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = f"http://{server}/whole.csv?sig={CANARY}"
    prepared = run_step("preprocess", data=address)
    assert prepared.code == 0, prepared.err

    trained = run_step("train", **SMALL)
    assert (trained.code, trained.run.data.tags["step.upstream_run_id"]) == (0, prepared.id)
    assert f"preprocess: using run {prepared.id} as it is (parameter data: expected" in trained.out

    # By the content: another signature, or the address from the environment, is the same table.
    monkeypatch.setenv("PARAMETER_DATA", f"http://{server}/whole.csv?sig=another-{CANARY}")
    chained = run_step("main", data="from_environment", **SMALL)
    assert (chained.code, chained.err) == (0, "")
    assert f"preprocess: reusing run {prepared.id}" in chained.out
    assert chained.run.data.params["data"] == "from_environment"

    monkeypatch.delenv("PARAMETER_DATA")
    missing = run_step("preprocess", data="from_environment")
    assert missing.code == 2
    assert "expected its text in the environment variable PARAMETER_DATA, found none" in missing.err
    assert CANARY not in kept(tmp_path) + trained.out + chained.out
    assert len(all_runs("preprocess")) == 1
