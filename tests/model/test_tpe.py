"""A search that learns: what it proposes, what it gives up, what it remembers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from steps.model.fitting import CandidateResult
from steps.model.grid import SearchSettings, is_range
from steps.model.local_executor import LocalExecutor
from steps.model.search_loop import fit_all
from steps.model.tpe import Learned
from tests.model.searches import Heard, make_case

pytest.importorskip("optuna")
SPACE: Any = {
    "clf__max_depth": {"low": 1, "high": 30},
    "clf__min_samples_leaf": {"low": 1, "high": 40, "log": True},
    "clf__max_features": [0.5, "sqrt", None],
}
SETTINGS = SearchSettings(SPACE, "tpe", 40, 42, "roc_auc", 5)


def scored(candidate: dict[str, Any], random: np.random.Generator) -> tuple[float, ...]:
    """Score as a search might: best at depth 20, folds that differ much, candidates that don't."""
    folds = np.array([0.80, 0.85, 0.78, 0.83, 0.82])
    loss = abs(candidate["clf__max_depth"] - 20) / 200 + candidate["clf__min_samples_leaf"] / 2000
    return tuple(folds - loss + random.normal(scale=0.005, size=5))


def play(learned: Learned, seed: int = 0) -> tuple[list[dict[str, Any]], list[bool]]:
    """Fit what is proposed, one after the other, giving up where the floors say so."""
    random, pruned = np.random.default_rng(seed), []
    while (batch := learned.next()) is not None:
        ((index, candidate),) = batch.candidates.items()
        scores = scored(candidate, random)
        done = next(
            (k for k, f in enumerate(batch.floors, 1) if np.mean(scores[:k]) < f), len(scores)
        )
        pruned.append(done < len(scores))
        shown = scores[:done] + (np.nan,) * (len(scores) - done)
        learned.hear(index, CandidateResult({"test_roc_auc": shown}, pruned=pruned[-1]))
    return learned.candidates, pruned


def test_learns_within_the_ranges_and_prunes_only_the_hopeless() -> None:
    candidates, pruned = play(Learned(SETTINGS))
    assert len(candidates) == 40
    assert all(1 <= one["clf__max_depth"] <= 30 for one in candidates)
    assert {type(one["clf__max_depth"]) for one in candidates} == {int}
    assert all(one["clf__max_features"] in (0.5, "sqrt", None) for one in candidates)
    assert sum(pruned) <= 10
    later = [one["clf__max_depth"] for one in candidates[20:]]
    assert np.median(np.abs(np.array(later) - 20)) <= 5


def test_the_first_trials_are_spread() -> None:
    first = play(Learned(SETTINGS))[0][:10]
    assert sorted((one["clf__max_depth"] - 1) // 3 for one in first) == list(range(10))
    assert {one["clf__max_features"] for one in first} == {0.5, "sqrt", None}


def test_the_seed_decides() -> None:
    assert play(Learned(SETTINGS)) == play(Learned(SETTINGS))
    other = replace(SETTINGS, seed=43)
    assert play(Learned(other))[0] != play(Learned(SETTINGS))[0]


def test_a_resumed_search_goes_on() -> None:
    before, _ = play(Learned(replace(SETTINGS, n_iter=15)))
    learned = Learned(SETTINGS, 15)
    for candidate in before:
        texts = {name: str(value) for name, value in candidate.items()}
        learned.recall(texts, CandidateResult({"test_roc_auc": scored(candidate, RANDOM)}))
    assert learned.candidates == before
    after, _ = play(learned)
    assert after[:15] == before
    assert len(after) == 40
    assert not any(one in before for one in after[15:])


RANDOM = np.random.default_rng(1)


@pytest.mark.slow
def test_trials_are_fitted_as_any_candidates() -> None:
    case = make_case()
    settings = replace(SETTINGS, n_iter=6, folds=3)
    source = Learned(settings)
    with LocalExecutor(case.work, 1) as executor:
        results = fit_all(source, executor, Heard())
    assert len(results) == len(source.candidates) == 6
    assert all(result.error is None for result in results)


@pytest.mark.parametrize(
    "said",
    [
        {"low": 2},
        {"low": 3, "high": 2},
        {"low": 0, "high": 2, "log": True},
        {"low": "1", "high": 2},
        {"low": True, "high": 2},
        {"low": 1, "high": float("inf")},
        {"low": 1, "high": 2, "step": 1},
        {"low": 1, "high": 2, "log": 1},
    ],
)
def test_what_is_no_range(said: Any) -> None:
    assert not is_range(said)
