"""Where candidates are fitted on this machine: in this process, or in worker processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

from joblib import effective_n_jobs

# The executor under joblib's own processes; joblib 1.6 with two workers, 36 MB of data and an
# __main__ like train's was the measure of what else there is:
# - joblib.Parallel(return_as="generator_unordered") blocks its caller until the first worker is
#   up (3 s in which this process would fit candidates), and a killed worker ends the whole
#   generator: which candidates were lost is not told.
# - concurrent.futures with "spawn" or "forkserver" imports __main__ again, MLflow with it, in
#   each worker: 9.4 s of CPU instead of 6.0.
# - the package loky is this same code as one more dependency.
from joblib.externals.loky import ProcessPoolExecutor

from steps.model.fitting import CandidateResult, Work, fit_candidates, fit_shared_steps
from steps.model.grid import Candidate

# A worker process imports scikit-learn first, 2-3 s of one core each. Below this much work left,
# starting some is no gain even where every core is free.
SECONDS_WORTH_WORKERS = 15.0
# A worker outlives a killed parent by no more than this.
SECONDS_BETWEEN_LOOKS = 1.0


def parse_jobs(text: str) -> int:
    """Read the `jobs` parameter."""
    expected = ValueError("a whole number of at least 1, or -1 for one process on each core")
    try:
        jobs = int(text)
    except ValueError:
        raise expected from None
    if jobs < 1 and jobs != -1:
        raise expected
    return jobs


class ResultsFuture(Protocol):
    """What this project uses of a future, `concurrent.futures`' or Dask's."""

    def result(self) -> Sequence[CandidateResult]:
        """Give the results of a task's candidates, or raise what the task raised."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Call `fn` with the future once it is done, in whatever thread."""


class Executor(AbstractContextManager["Executor"], Protocol):
    """Somewhere to fit candidates, in tasks of one or more.

    `lost` are the exceptions of a future whose worker died; the task is then submitted again.
    """

    lost: tuple[type[BaseException], ...]

    def slots(self, remaining: int) -> int:
        """Say how many tasks can run at once, `remaining` being unstarted."""

    def submit(self, candidates: Sequence[Candidate]) -> ResultsFuture:
        """Start to fit the candidates of one task."""

    def recover(self) -> None:
        """Make ready for more work after a worker was lost."""


class LocalExecutor:
    """Fits in this process, and turns to `jobs` worker processes if the rest takes long enough.

    Whether it does is known from the tasks done so far. Workers start up while this process
    goes on fitting, so they are never waited for. -1 jobs means one for each core.
    """

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(
        self, work: Work, jobs: int, seconds_worth_workers: float = SECONDS_WORTH_WORKERS
    ) -> None:
        self._work = work
        self._ready_work: Work | None = None
        self._jobs = effective_n_jobs(jobs)
        self._threshold = seconds_worth_workers
        self._done, self._seconds = 0, 0.0
        self._pool: ProcessPoolExecutor | None = None
        self._ready: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.recover()

    def slots(self, remaining: int) -> int:
        """Say 1 until the workers are ready, then their number."""
        if self._jobs > 1 and self._pool is None and self._left(remaining) > self._threshold:
            self._start()
        return self._jobs if self._workers_ready() else 1

    def submit(self, candidates: Sequence[Candidate]) -> ResultsFuture:
        """Fit the candidates, here and now or in a worker."""
        if self._pool is not None and self._workers_ready():
            future: Future[list[CandidateResult]] = self._pool.submit(_fit_in_worker, candidates)
            return future
        started = time.perf_counter()
        done: Future[list[CandidateResult]] = Future()
        if self._ready_work is None:
            self._ready_work = fit_shared_steps(self._work)
        done.set_result(fit_candidates(self._ready_work, candidates))
        self._done += 1
        self._seconds += time.perf_counter() - started
        return done

    def recover(self) -> None:
        """Throw the workers away; new ones start if there is still work for them."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
        self._pool = self._ready = None

    def _left(self, remaining: int) -> float:
        return remaining * self._seconds / self._done if self._done else 0.0

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(
            self._jobs, initializer=_begin_worker, initargs=(self._work, os.getpid())
        )
        self._ready = self._pool.submit(_nothing)

    def _workers_ready(self) -> bool:
        return self._ready is not None and self._ready.done()


# What a worker process fits on: the data travel there once, not with each task.
_work_of_worker: list[Work] = []


def _begin_worker(work: Work, parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _work_of_worker[:] = [fit_shared_steps(work)]


def _end_with(parent: int) -> None:
    # A killed parent can tell nobody, and loky's workers would wait for more work for ever.
    # A process whose parent has gone gets another one (on Windows it does not, and stays).
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def _fit_in_worker(candidates: Sequence[Candidate]) -> list[CandidateResult]:
    return fit_candidates(_work_of_worker[0], candidates)


def _nothing() -> None:
    pass
