"""Where candidates are fitted on more than one machine: a Dask cluster."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self

from joblib import effective_n_jobs

from steps.base.dask_cluster import dask_client
from steps.model.executors import BatchFuture
from steps.model.fitting import Batch, CandidateResult, Report, fit_batch
from steps.model.fold_data import Folds, Work
from steps.model.growth import quiet


class ClusterExecutor:
    """Fits candidates on the workers of a Dask scheduler.

    Workers report by way of the scheduler's events. Dask itself runs the tasks of a lost worker
    again on another one; what is left for `lost` is a task that took several workers with it.
    """

    lost: tuple[type[BaseException], ...] = ()

    def __init__(self, work: Work, scheduler: str, jobs: int = -1) -> None:
        self._work, self._scheduler, self._jobs = work, scheduler, jobs
        self._stack = ExitStack()
        self._client: Any = None
        self._folds: Any = None
        self._topic = f"search-{secrets.token_hex(8)}"
        self._numbers, self._reports = count(), dict[int, Report]()

    def __enter__(self) -> Self:
        workers = effective_n_jobs(self._jobs)
        self._client = self._stack.enter_context(dask_client(self._scheduler, workers))
        # Only now is the optional package known to be there.
        from distributed import CancelledError, KilledWorker

        self.lost = (KilledWorker, CancelledError)
        self._client.subscribe_topic(self._topic, self._hear)
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

    def submit(self, batch: Batch, report: Report) -> BatchFuture:
        """Send the candidates of one task to the cluster."""
        number = next(self._numbers)
        self._reports[number] = report
        future: BatchFuture = self._client.submit(
            _fit_on_worker, self._folds, batch, self._topic, number, pure=False
        )
        return future

    def recover(self) -> None:
        """Send the data again: the workers that were lost may have held the only copies."""
        self._share()

    def _share(self) -> None:
        from dask import config

        # A task's result, unlike scattered data, is made again when its only holder is lost.
        with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            self._folds = self._client.submit(Folds, self._work, pure=False)

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        said = event[1]
        scores = {name: tuple(values) for name, values in said["scores"].items()}
        result = CandidateResult(scores, said["error"], said["pruned"])
        self._reports[said["number"]](said["position"], result)


def _fit_on_worker(folds: Folds, batch: Batch, topic: str, number: int) -> Any:
    from distributed import get_worker

    worker = get_worker()

    def report(position: int, result: CandidateResult) -> None:
        scores = {name: list(values) for name, values in result.scores.items()}
        said = {"scores": scores, "error": result.error, "pruned": result.pruned}
        worker.log_event(topic, {"number": number, "position": position, **said})

    with quiet():
        return fit_batch(folds, batch, report)
