"""What the run of a search shows while it goes on."""

from __future__ import annotations

import pytest

from steps.model.fitting import CandidateResult
from steps.report.search_progress import SearchProgress


def scored(*scores: float) -> CandidateResult:
    return CandidateResult({"test_f1": scores})


def test_the_best_and_the_number_so_far() -> None:
    progress = SearchProgress("f1", 4)
    assert progress.so_far == {"candidates_done": 0.0}
    assert progress.best == ""
    for index, result in enumerate(
        [scored(float("nan"), 0.9), scored(0.4, 0.6), scored(0.7, 0.9), scored(0.1, 0.1)]
    ):
        progress.count(index, result)
    assert progress.so_far == {"candidates_done": 4.0, "best_cv_score_so_far": 0.8}
    assert (progress.best, progress.best_index) == ("best f1 0.8000", 2)


def test_time_left_follows_from_what_was_fitted_here() -> None:
    progress = SearchProgress("f1", 5)
    progress._began -= 10.0
    progress.count(0, scored(0.5), known=True)
    assert progress.speed["candidates_per_second"] == 0.0
    assert progress.speed["search_seconds_left"] == 0.0
    progress.count(1, scored(0.5))
    progress.count(2, scored(0.5))
    speed = progress.speed
    assert speed["search_seconds"] == pytest.approx(10.0, abs=1.0)
    assert speed["candidates_per_second"] == pytest.approx(0.2, rel=0.1)
    assert speed["search_seconds_left"] == pytest.approx(10.0, abs=1.0)
    progress.count(3, scored(0.5))
    progress.count(4, scored(0.5))
    assert progress.speed["search_seconds_left"] == 0.0
