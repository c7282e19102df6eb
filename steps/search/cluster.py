"""Where candidates are fitted on more than one machine: a Dask cluster."""

from __future__ import annotations

import importlib.metadata
import operator
import re
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import cloudpickle
import sklearn
from joblib import effective_n_jobs

from steps.core.errors import FAILURE, StepError
from steps.core.parameters import NONE
from steps.search import fitting
from steps.search.executors import OutcomeFuture
from steps.search.fitting import Work

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
SECONDS_TO_WAIT = 20
EXPECTED = f"{NONE}, {LOCAL} or tcp://host:port of a Dask scheduler"


def parse_scheduler(text: str) -> str | None:
    """Read the `scheduler` parameter: None for `none`, else `local` or an address."""
    word = text.strip()
    if word.lower() in (NONE, LOCAL):
        return LOCAL if word.lower() == LOCAL else None
    if not re.fullmatch(r"(tcp|tls)://[^/:]+:\d+", word):
        raise ValueError(EXPECTED)
    return word


class ClusterExecutor:
    """Fits candidates on the workers of a Dask scheduler, one task each.

    Dask itself fits the candidates of a lost worker again on another one; what is left for
    `lost` is a candidate that took several workers with it.
    """

    lost: tuple[type[BaseException], ...]

    def __init__(self, work: Work, scheduler: str, jobs: int = -1) -> None:
        import_distributed()
        from distributed import CancelledError, KilledWorker

        self.lost = (KilledWorker, CancelledError)
        self._work, self._scheduler, self._jobs = work, scheduler, jobs
        self._stack = ExitStack()
        self._client: Client
        self._fitter: Any = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._client = _connect(self._scheduler, self._jobs, stack)
            _check_workers(self._client, self._scheduler)
            self._share()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def slots(self, remaining: int) -> int:
        """Count the workers' threads as of now: workers may come and go."""
        threads: int = sum(self._client.nthreads().values())
        return max(1, threads)

    def submit(self, parameters: Mapping[str, Any]) -> OutcomeFuture:
        """Send one candidate to the cluster."""
        future: OutcomeFuture = self._client.submit(
            operator.call, self._fitter, dict(parameters), pure=False
        )
        return future

    def recover(self) -> None:
        """Send the data again: the workers that were lost may have held the only copies."""
        self._share()

    def _share(self) -> None:
        from dask import config

        # Tasks' results, unlike scattered data, are made again when their only holder is lost.
        with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            fitter = self._client.submit(cloudpickle.loads, _with_code(self._work), pure=False)
            prepare = operator.methodcaller("prepared")
            self._fitter = self._client.submit(prepare, fitter, pure=False)


def _with_code(work: Work) -> bytes:
    """Pickle a fitter together with its code: workers elsewhere do not have this project."""
    cloudpickle.register_pickle_by_value(fitting)
    try:
        pickled: bytes = cloudpickle.dumps(fitting.Fitter(work))
    finally:
        cloudpickle.unregister_pickle_by_value(fitting)
    return pickled


def import_distributed() -> None:
    """Raise StepError if the optional extra is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise StepError(
            "parameter scheduler: expected the package distributed, found none installed; "
            'pip install -e ".[dask]"'
        ) from error


def _connect(scheduler: str, jobs: int, stack: ExitStack) -> Client:
    from distributed import Client, LocalCluster

    if scheduler == LOCAL:
        cluster = LocalCluster(
            n_workers=effective_n_jobs(jobs),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
        )
        stack.enter_context(cluster)
        scheduler = cluster.scheduler_address
    try:
        client: Client = stack.enter_context(Client(scheduler, timeout=SECONDS_TO_WAIT))
    except OSError as error:
        raise StepError(
            f"parameter scheduler: expected a Dask scheduler at {scheduler}, found none within "
            f"{SECONDS_TO_WAIT} s; start one with: dask scheduler"
        ) from error
    return client


def _check_workers(client: Client, scheduler: str) -> None:
    from distributed import TimeoutError as NoWorkers

    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_WAIT)
    except NoWorkers as error:
        raise StepError(
            f"parameter scheduler: expected workers at {scheduler}, found none within "
            f"{SECONDS_TO_WAIT} s; start one with: dask worker {scheduler}"
        ) from error
    for worker, version in client.run(importlib.metadata.version, "scikit-learn").items():
        if version != sklearn.__version__:
            raise StepError(
                f"expected scikit-learn {sklearn.__version__} on the Dask workers, as here, "
                f"found {version} on {worker}; install the same version there",
                exit_code=FAILURE,
            )
