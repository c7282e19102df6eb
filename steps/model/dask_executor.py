"""Where candidates are fitted on more than one machine: a Dask cluster."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from joblib import effective_n_jobs

from steps.base.dask_cluster import dask_client
from steps.model.executors import ResultsFuture
from steps.model.fitting import Work, fit_candidates, fit_shared_steps
from steps.model.grid import Candidate


class ClusterExecutor:
    """Fits candidates on the workers of a Dask scheduler.

    Dask itself runs the tasks of a lost worker again on another one; what is left for `lost` is
    a task that took several workers with it.
    """

    lost: tuple[type[BaseException], ...] = ()

    def __init__(self, work: Work, scheduler: str, jobs: int = -1) -> None:
        self._work, self._scheduler, self._jobs = work, scheduler, jobs
        self._stack = ExitStack()
        self._client: Any = None
        self._ready_work: Any = None

    def __enter__(self) -> Self:
        workers = effective_n_jobs(self._jobs)
        self._client = self._stack.enter_context(dask_client(self._scheduler, workers))
        # Only now is the optional package known to be there.
        from distributed import CancelledError, KilledWorker

        self.lost = (KilledWorker, CancelledError)
        self._share()
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

    def submit(self, candidates: Sequence[Candidate]) -> ResultsFuture:
        """Send the candidates of one task to the cluster."""
        future: ResultsFuture = self._client.submit(
            fit_candidates, self._ready_work, candidates, pure=False
        )
        return future

    def recover(self) -> None:
        """Send the data again: the workers that were lost may have held the only copies."""
        self._share()

    def _share(self) -> None:
        from dask import config

        # A task's result, unlike scattered data, is made again when its only holder is lost.
        with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            self._ready_work = self._client.submit(fit_shared_steps, self._work, pure=False)
