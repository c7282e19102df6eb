"""The Dask cluster: none, one on this machine, one elsewhere."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
import trustme
from distributed import LocalCluster, Security

from steps.base import dask_cluster as cluster
from steps.base.errors import StepError
from steps.base.temporary import temporary_folder


def test_auto_is_the_cluster_around_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    assert cluster.scheduler("auto") is None
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://10.0.0.4:8786")
    assert cluster.scheduler("auto") == "tcp://10.0.0.4:8786"


def test_scheduler_is_none_local_or_an_address() -> None:
    assert cluster.scheduler("none") is None
    assert cluster.scheduler("local") == "local"
    assert cluster.scheduler("tcp://10.0.0.4:8786") == "tcp://10.0.0.4:8786"


@pytest.mark.parametrize(
    "text", ["", "dask", "tcp://", "tcp://host", "http://host:80", "tcp://h:x"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="none, auto, local or the address"):
        cluster.scheduler(text)


@pytest.mark.slow
def test_local_cluster_runs_the_projects_functions() -> None:
    with (
        temporary_folder("train") as folder,
        cluster.dask_client("local", workers=1) as client,
    ):
        assert client.submit(cluster.scheduler, "local").result(timeout=60) == "local"
        places = client.run(lambda dask_worker: dask_worker.local_directory)
        assert all(Path(place).is_relative_to(folder) for place in places.values())


@pytest.mark.slow
def test_nobody_at_the_address_is_said_in_one_line(unused_port: int) -> None:
    address = f"tcp://127.0.0.1:{unused_port}"
    with (
        pytest.raises(StepError, match=f"expected a Dask scheduler at {address}"),
        cluster.dask_client(address),
    ):
        raise AssertionError("connected to nobody")


@pytest.mark.slow
def test_cluster_elsewhere_gets_the_projects_code(elsewhere: str) -> None:
    for _ in range(2):
        with cluster.dask_client(elsewhere) as client:
            assert client.submit(cluster.scheduler, "local").result(timeout=60) == "local"


@pytest.mark.slow
def test_a_cluster_of_this_process_keeps_its_modules() -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as own,
        cluster.dask_client(own.scheduler_address) as client,
    ):
        assert client.submit(cluster.scheduler, "local").result(timeout=60) == "local"
    assert sys.modules["steps.base.dask_cluster"] is cluster
    assert not any(entry.endswith(".zip") and "steps-" in entry for entry in sys.path)


@pytest.fixture
def unused_port() -> int:
    async def find() -> int:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return port

    return asyncio.run(find())


@pytest.fixture
def elsewhere(tmp_path: Path, unused_port: int) -> Iterator[str]:
    """Address of a scheduler with one worker, started where `steps` cannot be imported."""
    address = f"tcp://127.0.0.1:{unused_port}"
    where = ["--no-dashboard"]
    commands = [
        ["scheduler", "--host", "127.0.0.1", "--port", str(unused_port), *where],
        ["worker", address, "--nthreads", "1", "--local-directory", str(tmp_path), *where],
    ]
    started = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "dask", *command],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    yield address
    for process in reversed(started):
        process.terminate()
        process.wait(timeout=30)


def test_tcp_beyond_this_machine_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    for address in ("tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://10.0.0.4:1"):
        cluster._warn_of_strangers(address)
    assert capsys.readouterr().err == ""
    for address in ("tcp://10.0.0.4:8786", "tcp://scheduler:8786"):
        cluster._warn_of_strangers(address)
        assert f"{address} has neither encryption nor a login" in capsys.readouterr().err


def test_tls_without_certificates_is_said_in_one_line() -> None:
    with (
        pytest.raises(StepError, match="expects certificates in Dask's configuration"),
        cluster.dask_client("tls://127.0.0.1:1"),
    ):
        raise AssertionError("connected to nobody")


@pytest.mark.slow
def test_tls_with_dasks_own_configuration(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    tls = {"distributed.comm.tls.ca-file": str(tmp_path / "ca.pem")}
    for role in ("client", "scheduler", "worker"):
        tls[f"distributed.comm.tls.{role}.cert"] = str(tmp_path / "own.pem")
        tls[f"distributed.comm.tls.{role}.key"] = str(tmp_path / "own.pem")
    with (
        dask.config.set(tls),
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            protocol="tls",
            security=Security(require_encryption=True),
        ) as own_cluster,
        cluster.dask_client(own_cluster.scheduler_address) as client,
    ):
        assert own_cluster.scheduler_address.startswith("tls://")
        assert client.submit(cluster.scheduler, "local").result(timeout=60) == "local"
