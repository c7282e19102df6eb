"""A Dask cluster, which spreads work over processes or machines.

`distributed` is an optional extra (`pip install '.[dask]'`), imported only on demand.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import platform
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from steps.base import console
from steps.base.errors import FAILURE, StepError
from steps.base.parsers import NONE

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
AUTO = "auto"
# Dask's own variable for the default scheduler.
ADDRESS = "DASK_SCHEDULER_ADDRESS"
SECONDS_TO_CONNECT = 10
SECONDS_FOR_A_WORKER = 30
# Versions that must match everywhere for a model to give the same result everywhere.
SAME_EVERYWHERE = ("python", "sklearn", "numpy")


def scheduler(value: str) -> str | None:
    """Parse the parameter `scheduler`: none, `auto`, `local`, or the address of a scheduler.

    `auto` is the cluster that runs around this process, as on the nodes of a job, or none.
    """
    if value == NONE:
        return None
    if value == AUTO:
        return os.environ.get(ADDRESS) or None
    if value == LOCAL or _is_address(value):
        return value
    raise ValueError(
        "none, auto, local or the address of a Dask scheduler such as tcp://10.0.0.4:8786"
    )


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("tcp", "tls") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False


@contextmanager
def dask_client(scheduler: str, workers: int | None = None) -> Iterator[Client]:
    """Yield a client of a Dask cluster, and close it when the block ends.

    `local` starts one process per core (or `workers` of them) on this machine, with one thread
    each and no dashboard. A remote cluster gets this project's code, and must have the same
    versions of Python, scikit-learn and numpy.
    """
    try:
        import distributed
    except ImportError:
        raise StepError(
            f"scheduler={scheduler} expects the package distributed, found none: "
            "pip install -e '.[dask]', or use scheduler=none"
        ) from None
    # distributed 2026.8 has type information for only some of its functions.
    dask: Any = distributed
    if scheduler == LOCAL:
        with (
            dask.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
            ) as cluster,
            dask.Client(cluster) as client,
        ):
            yield client
        return
    _warn_of_strangers(scheduler)
    with _connected(dask, scheduler) as client:
        _check_workers(client, scheduler)
        # A job's nodes already have the project, each in the folder where its worker started.
        if scheduler != os.environ.get(ADDRESS) and not _is_here(client):
            _send_code(client)
        yield client


def _warn_of_strangers(address: str) -> None:
    """Warn, as Dask does not, that `tcp://` has neither login nor encryption."""
    parts = urlsplit(address)
    if parts.scheme == "tcp" and not _is_this_machine(parts.hostname or ""):
        console.warn(
            f"{address} has neither encryption nor a login: anyone on that network can read the "
            "data and run code on its machines; use tls://"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _connected(dask: Any, address: str) -> Any:
    try:
        return dask.Client(address, timeout=SECONDS_TO_CONNECT)
    except TypeError as error:
        # distributed raises TypeError if its TLS context is None.
        raise StepError(
            f"scheduler={address} expects certificates in Dask's configuration, found none: set "
            "distributed.comm.tls.ca-file, .client.cert and .client.key, or the variables "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT and …__CLIENT__KEY"
        ) from error
    except (OSError, ValueError) as error:
        raise StepError(
            f"expected a Dask scheduler at {address}, found none that answers within "
            f"{SECONDS_TO_CONNECT} s ({type(error).__name__}): start it with dask scheduler, "
            "or use scheduler=local",
            exit_code=FAILURE,
        ) from error


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_A_WORKER)
    except TimeoutError:
        raise StepError(
            f"expected at least one worker at {address}, found none in {SECONDS_FOR_A_WORKER} s: "
            f"start one with dask worker {address}",
            exit_code=FAILURE,
        ) from None
    versions = client.get_versions(packages=["sklearn"])
    here = versions["client"]["packages"]
    for worker, there in versions["workers"].items():
        for name in SAME_EVERYWHERE:
            found = there["packages"].get(name)
            if found != here[name]:
                raise StepError(
                    f"expected {name} {here[name]} on every worker as here, found {found} on "
                    f"{worker}: install this project's constraints.txt there"
                )


def _is_here(client: Any) -> bool:
    # This process itself started the cluster: its workers import the same code, and code sent to
    # them would replace the modules that it runs on.
    return all(client.run_on_scheduler(ask) == ask() for ask in (os.getpid, platform.node))


def _send_code(client: Any) -> None:
    forget = _forgetting(Path(__file__).resolve().parents[1].name)
    client.run(forget)
    client.run_on_scheduler(forget)
    with tempfile.TemporaryDirectory() as folder:
        client.upload_file(str(_archive(Path(folder))))


def _archive(folder: Path) -> Path:
    package = Path(__file__).resolve().parents[1]
    sources = sorted(package.rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    # Python caches the contents of a zip by its path, so changed code needs a new name.
    archive = folder / f"{package.name}-{digest[:12]}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        for path in sources:
            content.write(path, path.relative_to(package.parent))
    return archive


def _forgetting(package: str) -> Callable[[], None]:
    # A nested function is sent as code, so it also runs where the package is missing.
    def forget() -> None:
        import re
        import sys

        ours = re.compile(rf"{package}-[0-9a-f]{{12}}\.zip$")
        sys.path[:] = [entry for entry in sys.path if not ours.search(entry)]
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]

    return forget
