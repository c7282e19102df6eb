"""Worker processes on this machine, which report each candidate as soon as it is known."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

# The executor under joblib's own processes; joblib 1.6 with two workers, 36 MB of data and an
# __main__ like train's was the measure of what else there is:
# - joblib.Parallel(return_as="generator_unordered") blocks its caller until the first worker is
#   up (3 s in which this process would fit candidates), and a killed worker ends the whole
#   generator: which candidates were lost is not told.
# - concurrent.futures with "spawn" or "forkserver" imports __main__ again, MLflow with it, in
#   each worker: 9.4 s of CPU instead of 6.0.
# - the package loky is this same code as one more dependency.
from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import get_context

from steps.model.fitting import Batch, CandidateResult, Report, fit_batch, without_predictions
from steps.model.fold_data import Folds, Work
from steps.model.growth import QUIETED

# A worker outlives a killed parent by no more than this.
SECONDS_BETWEEN_LOOKS = 1.0


class WorkerProcesses:
    """A pool of processes that know the work."""

    def __init__(self, work: Work, jobs: int) -> None:
        context = get_context("loky")
        reader, self._writer = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            jobs,
            initializer=_begin_worker,
            initargs=(work, os.getpid(), self._writer, context.Lock()),
            env=_threads(max(1, cpu_count() // jobs)),
        )
        self._numbers, self._reports = count(), dict[int, Report]()
        threading.Thread(target=self._listen, args=(reader,), daemon=True).start()
        self._ready = self._pool.submit(_nothing)

    @property
    def ready(self) -> bool:
        """Whether they are up; until then a task would only wait."""
        return bool(self._ready.done())

    def wait(self, seconds: float) -> None:
        """Wait until they are up."""
        self._ready.result(seconds)

    def submit(self, batch: Batch, report: Report) -> Future[dict[int, CandidateResult]]:
        """Fit the candidates of one task in one of the processes."""
        number = next(self._numbers)
        self._reports[number] = report
        future: Future[dict[int, CandidateResult]] = self._pool.submit(
            _fit_in_worker, number, batch
        )
        return future

    def kill(self) -> None:
        """End the processes, whatever they do."""
        self._pool.shutdown(wait=True, kill_workers=True)
        # No process has the other end any more: the listener comes to the end.
        self._writer.close()

    def _listen(self, reader: Connection) -> None:
        # A killed process may leave half a message; then nothing more is heard of this pool but
        # the ends of its tasks.
        with suppress(EOFError, OSError):
            while True:
                number, position, result = reader.recv()
                self._reports[number](position, result)


def _threads(count: int) -> dict[str, str]:
    # As joblib does: threads of boosting and of BLAS in every process would wait for each other.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: os.environ.get(name, str(count)) for name in names}


# What a worker process fits on: the data travel there once, not with each task.
_of_worker: list[Any] = []


def _begin_worker(work: Work, parent: int, writer: Connection, lock: Any) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    warnings.filterwarnings(*QUIETED)
    _of_worker[:] = [Folds(work), writer, lock]


def _end_with(parent: int) -> None:
    # A killed parent can tell nobody, and loky's workers would wait for more work for ever.
    # A process whose parent has gone gets another one (on Windows it does not, and stays).
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def _fit_in_worker(number: int, batch: Batch) -> Mapping[int, CandidateResult]:
    folds, writer, lock = _of_worker

    def report(position: int, result: CandidateResult) -> None:
        with lock:
            writer.send((number, position, without_predictions(result)))

    return fit_batch(folds, batch, report)


def _nothing() -> None:
    pass
