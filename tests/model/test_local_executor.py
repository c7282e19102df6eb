"""How many cores fit: decided from what the first folds cost, and never slower than one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steps.model.fitting import FoldResult
from steps.model.local_executor import CELLS_WORTH_THREADS, ROWS_WORTH_THREADS, LocalExecutor
from tests.model.searches import Case

SECONDS_OF_FOLD = 0.1


def executor_of_many_rows(case: Case, jobs: int, **thresholds: float) -> LocalExecutor:
    """Make an executor for a table that is large enough for threads; its rows are never read."""
    work = replace(case.work, labels=np.zeros(ROWS_WORTH_THREADS))
    return LocalExecutor(work, jobs, **thresholds)


def folds(lock: Any) -> list[Callable[[], list[FoldResult]]]:
    """Make five folds that take a while, and hold a lock as Python code holds Python's."""

    def fit() -> list[FoldResult]:
        with lock:
            time.sleep(SECONDS_OF_FOLD)
        return [FoldResult({})]

    return [fit] * 5


def test_threads_go_on_where_they_gain(case: Case) -> None:
    executor = executor_of_many_rows(case, 2)
    with executor:
        assert len(executor._run(folds(nullcontext()))) == 5
        assert executor._threads is not None
        # One more than cores: while the last fold of one task ends, another's first is at work.
        assert executor.slots(10) == 3


def test_one_thread_and_then_processes_where_a_lock_is_held(case: Case) -> None:
    executor = executor_of_many_rows(case, 2, seconds_worth_workers=1.0)
    with executor:
        assert len(executor._run(folds(threading.Lock()))) == 5
        assert executor._threads is None
        executor._done, executor._seconds = 1, 5 * SECONDS_OF_FOLD
        assert not executor._worth_starting(1)
        assert executor._worth_starting(3)


def test_threads_from_the_start_for_a_large_table(case: Case) -> None:
    rows = CELLS_WORTH_THREADS // 8
    many = np.broadcast_to(np.float64(0), (rows, 8))
    work = replace(case.work, features=pd.DataFrame(many, copy=False), labels=np.zeros(rows))
    executor, threads = LocalExecutor(work, 2), set()

    def note() -> list[FoldResult]:
        threads.add(threading.get_ident())
        time.sleep(SECONDS_OF_FOLD)
        return [FoldResult({})]

    with executor:
        executor._run([note] * 5)
        assert threading.get_ident() not in threads
        assert len(threads) == 2


@pytest.mark.parametrize(("jobs", "rows"), [(1, ROWS_WORTH_THREADS), (2, ROWS_WORTH_THREADS - 1)])
def test_no_threads_for_one_job_or_few_rows(case: Case, jobs: int, rows: int) -> None:
    executor = LocalExecutor(replace(case.work, labels=np.zeros(rows)), jobs)
    with executor:
        executor._run(folds(nullcontext()))
        assert executor._threads is None


def test_no_threads_for_folds_that_take_no_time(case: Case) -> None:
    executor = executor_of_many_rows(case, 2, seconds_worth_threads=10 * SECONDS_OF_FOLD)
    with executor:
        executor._run(folds(nullcontext()))
        assert executor._threads is None
