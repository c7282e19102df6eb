"""A hopeless candidate ends after its first folds, wherever it is fitted."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from steps.model.dask_executor import ClusterExecutor
from steps.model.executors import Executor
from steps.model.fitting import Batch, CandidateResult
from steps.model.local_executor import LocalExecutor
from tests.model.searches import Case
from tests.model.test_search import with_workers

EXECUTORS: dict[str, Callable[[Case], Executor]] = {
    "this process": lambda case: LocalExecutor(case.work, 1),
    "worker processes": with_workers,
    "Dask": lambda case: ClusterExecutor(case.work, "local", jobs=1),
}


@pytest.mark.parametrize(
    "where",
    [
        "this process",
        pytest.param("worker processes", marks=pytest.mark.slow),
        pytest.param("Dask", marks=pytest.mark.slow),
    ],
)
def test_pruned_on_every_executor(case: Case, where: str) -> None:
    candidate = case.settings.candidates()[0]
    reported: dict[int, CandidateResult] = {}
    with EXECUTORS[where](case) as executor:
        # Above the mean of two folds, which no score reaches.
        batch = Batch({7: candidate}, None, "roc_auc", (0.0, 1.1))
        fitted = executor.submit(batch, reported.__setitem__).result()
        whole = executor.submit(Batch({8: candidate}), lambda *_: None).result()
    assert fitted[7].pruned
    assert not whole[8].pruned
    for name, scores in fitted[7].scores.items():
        assert [math.isfinite(score) for score in scores] == [True, True, False]
        if name.startswith("test_"):
            assert scores[:2] == whole[8].scores[name][:2]
    assert all(result.pruned for result in reported.values())
