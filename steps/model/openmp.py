"""How many threads of OpenMP histogram boosting takes: one, unless the table is large.

scikit-learn gives it all cores for any table. The threads meet several times in each split of a
tree. On a small table they then wait longer than they work, most of all where other programs use
the cores too: two threads took 13 times as long as one for 1,000 rows of 20 columns on two busy
cores, and 20 times the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

# Of the training table, rows times columns.
CELLS_WORTH_THREADS = 1_000_000


@contextmanager
def threads_for(cells: int) -> Iterator[None]:
    """Limit the threads of OpenMP that the calling thread starts, if a table has few cells."""
    if cells >= CELLS_WORTH_THREADS:
        yield
        return
    with one_thread():
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the calling thread do alone what OpenMP would spread over threads of its own."""
    with _controller().limit(limits=1, user_api="openmp"):
        yield


@cache
def _controller() -> ThreadpoolController:
    # It looks through all loaded libraries: a millisecond. scikit-learn's OpenMP must be one.
    import sklearn.ensemble._hist_gradient_boosting.gradient_boosting  # noqa: F401

    return ThreadpoolController()
