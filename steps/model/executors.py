"""Where candidates are fitted on this machine: in this process, or in worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

from joblib import effective_n_jobs
from joblib.externals.loky import ProcessPoolExecutor

from steps.model.fitting import Outcome, Work, fit_candidate, prepare

# A worker process imports scikit-learn first, 2-3 s of one core each. Below this much work left,
# starting some is no gain even where every core is free.
SECONDS_WORTH_WORKERS = 15.0


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


class OutcomeFuture(Protocol):
    """What this project uses of a future, `concurrent.futures`' or Dask's."""

    def result(self) -> Outcome:
        """Give the outcome, or raise what the task raised."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Call `fn` with the future once it is done, in whatever thread."""


class Executor(AbstractContextManager["Executor"], Protocol):
    """Somewhere to fit candidates.

    `lost` are the exceptions of a future whose worker died; the candidate is then fitted again.
    """

    lost: tuple[type[BaseException], ...]

    def slots(self, remaining: int) -> int:
        """Say how many candidates can be fitted at once, `remaining` being unstarted."""

    def submit(self, parameters: Mapping[str, Any]) -> OutcomeFuture:
        """Start to fit one candidate."""

    def recover(self) -> None:
        """Make ready for more work after a worker was lost."""


class LocalExecutor:
    """Fits in this process, and turns to `jobs` worker processes if the rest takes long enough.

    Whether it does is known from the candidates fitted so far. Workers start up while this
    process goes on fitting, so they are never waited for. -1 jobs means one for each core.
    """

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(
        self, work: Work, jobs: int, seconds_worth_workers: float = SECONDS_WORTH_WORKERS
    ) -> None:
        self._work = work
        self._prepared: Work | None = None
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
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)

    def slots(self, remaining: int) -> int:
        """Say 1 until the workers are ready, then their number."""
        if self._jobs > 1 and self._pool is None and self._left(remaining) > self._threshold:
            self._start()
        return self._jobs if self._workers_ready() else 1

    def submit(self, parameters: Mapping[str, Any]) -> OutcomeFuture:
        """Fit one candidate, here and now or in a worker."""
        if self._pool is not None and self._workers_ready():
            future: Future[Outcome] = self._pool.submit(_fit_in_worker, dict(parameters))
            return future
        started = time.perf_counter()
        done: Future[Outcome] = Future()
        if self._prepared is None:
            self._prepared = prepare(self._work)
        done.set_result(fit_candidate(self._prepared, parameters))
        self._done += 1
        self._seconds += time.perf_counter() - started
        return done

    def recover(self) -> None:
        """Throw the broken workers away; new ones start if there is still work for them."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
        self._pool = self._ready = None

    def _left(self, remaining: int) -> float:
        return remaining * self._seconds / self._done if self._done else 0.0

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=self._jobs, initializer=_keep_in_worker, initargs=(self._work,)
        )
        self._ready = self._pool.submit(_nothing)

    def _workers_ready(self) -> bool:
        return self._ready is not None and self._ready.done()


_kept: list[Work] = []


def _keep_in_worker(work: Work) -> None:
    # Runs once in each worker process: the data travel there once, not with each candidate.
    _kept[:] = [prepare(work)]


def _fit_in_worker(parameters: dict[str, Any]) -> Outcome:
    return fit_candidate(_kept[0], parameters)


def _nothing() -> None:
    pass
