"""Canaries in addresses: whatever fails, no line, traceback or run record reveals one."""

from __future__ import annotations

import gzip
import re
import shlex
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import mlflow
import pandas as pd
import pytest

from steps.base.errors import Unreadable
from steps.scoring.input_files import find_files
from steps.scoring.plan import Request
from steps.scoring.predictor import Predictor
from steps.scoring.score_files import ScoringResult, score_files
from tests.conftest import DIABETES, SMALL, RunStep, all_runs
from tests.scoring.conftest import PIPELINE, SCHEMA

pytest.importorskip("aiohttp")
CANARY = "canary9c41"
TABLE = DIABETES.read_bytes()
TABLES = {
    "csv": TABLE,
    "csv.gz": gzip.compress(TABLE),
    "parquet": pd.read_csv(DIABETES).to_parquet(),
    # A row that scoring refuses, and a last line end that is missing.
    "bad.csv": TABLE + b"1,2,3,4,5,6,high,8,0",
}


class Files(BaseHTTPRequestHandler):
    """Serves a table as it is named: /whole.csv, half of it at /half.csv, a status at /403.csv.

    /half-5.csv is served whole until its fifth request; /reset.csv ends with a reset connection.
    """

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name, _, suffix = path[1:].partition(".")
        kind, _, first = name.partition("-")
        self.asked[path] += self.command == "GET"
        if first and self.asked[path] < int(first):
            kind = "whole"
        start, content = self._part(TABLES[suffix])
        status = int(kind) if kind.isdigit() else 206
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/*")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status == 206 and self.command == "GET":
            self._send(kind, content)

    do_HEAD = do_GET

    def _part(self, table: bytes) -> tuple[int, bytes]:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            return 0, table
        return int(wanted[1]), table[int(wanted[1]) : int(wanted[2] or len(table)) + 1]

    def _send(self, kind: str, content: bytes) -> None:
        if kind == "whole":
            self.wfile.write(content)
            return
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True
        if kind == "reset":
            self.wfile.flush()
            at_once = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


class Server(ThreadingHTTPServer):
    """A server that says nothing of connections that end early."""

    def handle_error(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serve the files on loopback; gives host and port."""
    serving = Server(("127.0.0.1", 0), Files)
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
    "half": "the connection ended before all of it had come",
    "reset": "the connection ended before all of it had come",
    "500": "the server answered HTTP 500",
    "nobody": "no connection",
}


def kept(folder: Path) -> str:
    """Return the whole content of the store as text."""
    files = [path for path in (folder / "mlruns").rglob("*") if path.is_file()]
    files += folder.glob("store.db*")
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


@pytest.fixture
def score(tmp_path: Path) -> Callable[[str], ScoringResult]:
    """Score an address, as batch_score does once it knows its model."""

    def run(address: str) -> ScoringResult:
        request = Request(tmp_path / "p.csv", delimiter=",", quarantine=True)
        files = find_files(address)
        return score_files(files, Predictor(PIPELINE, SCHEMA, 0.5), SCHEMA, request, None)

    return run


LATE = {
    "half": "connection ended",
    "reset": "connection ended",
    "403": "HTTP 403",
    "404": "nothing",
}


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("kind", LATE)
def test_a_connection_that_breaks_while_a_table_is_scored(
    kind: str, suffix: str, server: str, score: Callable[[str], ScoringResult], tmp_path: Path
) -> None:
    # Whichever request it is that fails: a file is opened several times.
    for first in range(1, 20):
        file = f"{server}/{kind}-{first}.{suffix}"
        try:
            score(f"http://user:{CANARY}@{file}?sig={CANARY}")
        except Unreadable as error:
            said = str(error)
        else:
            break
        assert f"could not read http://***@{file}: {FAILING[kind]}" in said
        assert CANARY not in said
        assert not list(tmp_path.glob("*p.csv*"))
    assert 4 < first < 19


@pytest.mark.slow
def test_nothing_that_is_kept_holds_a_secret(
    server: str, run_step: RunStep, tmp_path: Path
) -> None:
    def address(name: str) -> str:
        return f"http://user:{CANARY}@{server}/{name}?sig={CANARY}"

    ended = run_step(
        "main",
        **SMALL | {"report": "true"},
        data=address("whole.csv"),
        test_data=address("whole.parquet"),
        input=address("whole.bad.csv"),
        on_bad_rows="quarantine",
    )
    assert ended.code == 0, ended.err
    compared = run_step("compare")
    assert compared.code == 0, compared.err
    names = {path.name for path in (tmp_path / "mlruns").rglob("*")}
    assert names >= {"report.html", "decisions.json", "predictions.csv.rejected.csv"}
    outputs = "".join(path.read_text() for path in tmp_path.glob("predictions.csv*"))
    assert "high" in outputs
    assert "http://***@" in outputs
    assert CANARY not in kept(tmp_path) + outputs + ended.out + ended.err + compared.out


def test_what_mlflow_itself_has_recorded_is_masked_or_named(
    any_store: str,
    nobody: str,
    run_step: RunStep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As `mlflow run -P data=…` opens a run, before the step can mask anything.
    address = f"http://user:it's{CANARY}@{nobody}/x.csv"
    with mlflow.start_run(tags={"mlflow.source.name": address}) as opened:
        mlflow.log_param("data", shlex.quote(address))
    monkeypatch.setenv("MLFLOW_RUN_ID", opened.info.run_id)
    ended = run_step("preprocess", data=address)
    assert (ended.code, ended.err.count("\n")) == (2, 2), ended.err
    assert f"may be a secret in data of run {opened.info.run_id}" in ended.err
    assert "set PARAMETER_DATA and give -P data=from_environment" in ended.err
    assert ended.run.data.tags["mlflow.source.name"] == f"http://***@{nobody}/x.csv"
    assert CANARY not in ended.out + ended.err
    if any_store.startswith("http"):
        assert "lets nobody change it: make that secret invalid" in ended.err
        assert f"mlflow runs delete --run-id {opened.info.run_id}, then mlflow gc" in ended.err
    else:
        assert "it is masked there now" in ended.err
        assert ended.run.data.params["data"] == f"'http://***@{nobody}/x.csv'"
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
