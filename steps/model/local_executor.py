"""Fitting on this machine: in one thread, in several, or in worker processes.

Decided from what the first fold costs. Threads where fitting lets go of Python's lock and a fold
takes long enough; processes where the rest takes so long that their start pays; else one thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import ExitStack
from multiprocessing.pool import ThreadPool
from types import TracebackType
from typing import Self

from joblib import effective_n_jobs

from steps.model.executors import BatchFuture
from steps.model.fitting import Batch, CandidateResult, FoldResult, Report, Step, fit_batch
from steps.model.fold_data import Folds, Work
from steps.model.growth import quiet
from steps.model.openmp import threads_for
from steps.model.prefixes import FORESTS, HISTOGRAM
from steps.model.worker_processes import WorkerProcesses

# A worker process imports scikit-learn first, 2-3 s of one core each. Below this much work left,
# starting some is no gain even where every core is free.
SECONDS_WORTH_WORKERS = 15.0
# Measured on two cores, forests of 1 to 3 trees: at 20-30 ms a fold two threads lose up to 45 %
# (the lock is handed over each 5 ms) or gain nothing; at 60 ms they are 1.5 times as fast.
SECONDS_WORTH_THREADS = 0.05
# Of fewer rows a tree is done before the lock has changed hands.
ROWS_WORTH_THREADS = 5_000
# Of a table with so many values a tree takes a second, and threads are no question.
CELLS_WORTH_THREADS = 5_000_000
# Below this gain of the threads over one the rest goes on in one.
LEAST_GAIN = 1.1
# They use all cores by themselves, if there is enough to do.
SECONDS_OF_OWN_THREADS = 1.0


class Stopped(Exception):
    """The search is over: what is still being fitted is of no use."""


class LocalExecutor:
    """Fits in the threads of this process, or turns to `jobs` worker processes.

    Workers start up while this process goes on fitting, so they are never waited for. -1 jobs
    means one for each core.
    """

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(
        self,
        work: Work,
        jobs: int,
        seconds_worth_workers: float = SECONDS_WORTH_WORKERS,
        seconds_worth_threads: float = SECONDS_WORTH_THREADS,
    ) -> None:
        self._folds = Folds(work)
        self._kinds = {type(pipeline[-1]) for pipeline in work.families.values()}
        self._jobs: int = effective_n_jobs(jobs)
        self._worth_workers, self._worth_threads = seconds_worth_workers, seconds_worth_threads
        self._done, self._seconds, self._seconds_of_fold = 0, 0.0, 0.0
        self._stopping = threading.Event()
        self._threads: ThreadPool | None = None
        self._workers: WorkerProcesses | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(quiet())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Threads cannot be ended: they end by themselves after the fold they are at.
        self._stopping.set()
        if self._threads is not None:
            self._threads.close()
        self.recover()
        self._stack.close()

    def slots(self, remaining: int) -> int:
        """Say 1 until there are threads, or workers that are ready."""
        if self._threads is not None:
            # While the last fold of one task ends, another's first is at work.
            return self._jobs + 1
        if self._workers is None and self._worth_starting(remaining):
            self._workers = WorkerProcesses(self._folds.work, self._jobs)
        return self._jobs if self._workers is not None and self._workers.ready else 1

    def submit(self, batch: Batch, report: Report) -> BatchFuture:
        """Fit the candidates of one task, in a thread or in a worker."""
        if self._workers is not None and self._workers.ready:
            return self._workers.submit(batch, report)
        future: Future[dict[int, CandidateResult]] = Future()
        threading.Thread(target=self._fit, args=(batch, report, future), daemon=True).start()
        return future

    def recover(self) -> None:
        """Throw the workers away; new ones start if there is still work for them."""
        if self._workers is not None:
            self._workers.kill()
        self._workers = None

    def _worth_starting(self, remaining: int) -> bool:
        if self._jobs == 1 or not self._done:
            return False
        if self._kinds & set(HISTOGRAM) and self._seconds_of_fold > SECONDS_OF_OWN_THREADS:
            return False
        return remaining * self._seconds / self._done > self._worth_workers

    def _fit(
        self, batch: Batch, report: Report, future: Future[dict[int, CandidateResult]]
    ) -> None:
        started = time.perf_counter()
        try:
            with threads_for(self._folds.work.features.size):
                fitted = fit_batch(self._folds, batch, report, self._run)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
            future.set_exception(error)
            return
        self._done += len(fitted)
        self._seconds += time.perf_counter() - started
        future.set_result(fitted)

    def _run(self, steps: Sequence[Step]) -> Sequence[list[FoldResult]]:
        if self._threads is None and self._surely_gains(steps):
            self._threads = ThreadPool(self._jobs)
        if self._threads is not None:
            return self._threads.map(self._step, steps, chunksize=1)
        if self._seconds_of_fold:
            return [self._step(step) for step in steps]
        return self._run_first(steps)

    def _may_gain(self, steps: Sequence[Step]) -> bool:
        """Say whether fitting lets go of the lock, and there are cores and folds for threads."""
        rows = len(self._folds.work.labels)
        free = self._kinds <= set(FORESTS) and rows >= ROWS_WORTH_THREADS
        return free and 1 < self._jobs <= len(steps)

    def _surely_gains(self, steps: Sequence[Step]) -> bool:
        return self._may_gain(steps) and self._folds.work.features.size >= CELLS_WORTH_THREADS

    def _run_first(self, steps: Sequence[Step]) -> Sequence[list[FoldResult]]:
        """Measure the first fold alone, and the others in threads if it is worth trying."""
        started = time.perf_counter()
        fold_results = [self._step(steps[0])]
        self._seconds_of_fold = alone = time.perf_counter() - started
        others = steps[1:]
        if not self._may_gain(others) or alone < self._worth_threads:
            return [*fold_results, *map(self._step, others)]
        threads, started = ThreadPool(self._jobs), time.perf_counter()
        fold_results += threads.map(self._step, others, chunksize=1)
        if len(others) * alone >= LEAST_GAIN * (time.perf_counter() - started):
            self._threads = threads
        else:
            threads.close()
        return fold_results

    def _step(self, step: Step) -> list[FoldResult]:
        if self._stopping.is_set():
            raise Stopped
        return step()
