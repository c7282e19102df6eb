"""Where candidates are fitted: what the loop of a search asks of such a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from steps.model.fitting import Batch, CandidateResult, Report


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


class BatchFuture(Protocol):
    """What this project uses of a future, `concurrent.futures`' or Dask's."""

    def result(self) -> Mapping[int, CandidateResult]:
        """Give the results of a task's candidates, or raise what the task raised."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Call `fn` with the future once it is done, in whatever thread."""


class Executor(AbstractContextManager["Executor"], Protocol):
    """Somewhere to fit candidates, in tasks of one or more.

    `lost` are the exceptions of a future whose worker died; the task is then submitted again.
    """

    lost: tuple[type[BaseException], ...]

    def slots(self, remaining: int) -> int:
        """Say how many tasks can run at once, `remaining` candidates being unstarted."""

    def submit(self, batch: Batch, report: Report) -> BatchFuture:
        """Start to fit the candidates of one task, and report each as soon as it is known."""

    def recover(self) -> None:
        """Make ready for more work after a worker was lost."""
