"""How many threads histogram boosting takes."""

from __future__ import annotations

from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from steps.model.openmp import CELLS_WORTH_THREADS, one_thread, threads_for


def test_one_thread_for_a_small_table_only() -> None:
    before = _openmp_effective_n_threads()
    with threads_for(CELLS_WORTH_THREADS):
        assert _openmp_effective_n_threads() == before
        with threads_for(CELLS_WORTH_THREADS - 1):
            assert _openmp_effective_n_threads() == 1
        with one_thread():
            assert _openmp_effective_n_threads() == 1
    assert _openmp_effective_n_threads() == before
