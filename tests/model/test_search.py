"""A search gives what GridSearchCV gives, to the last bit, wherever candidates are fitted."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from multiprocessing.pool import ThreadPool
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import RandomizedSearchCV

from steps.base.errors import StepError
from steps.model import fold_data
from steps.model.executors import Executor, parse_jobs
from steps.model.fitted_search import FittedSearch, cv_results, refitted, unfitted_search
from steps.model.fitting import Batch, CandidateResult, fit_batch
from steps.model.fold_data import Folds
from steps.model.local_executor import LocalExecutor
from steps.model.search_loop import fit_all
from steps.model.sources import Halving, Listed
from steps.model.threshold import joined, out_of_fold
from tests.model.searches import Case, Heard, assert_same_results, make_case


def run(
    case: Case, executor: Executor | None = None, known: Any = None, heard: Heard | None = None
) -> tuple[FittedSearch, Heard]:
    """Search a case from end to end."""
    heard, candidates = heard or Heard(), case.settings.candidates()
    with executor or LocalExecutor(case.work, 1) as fitted_by:
        source = Listed(case.work, candidates)
        for index, result in (known or {}).items():
            source.hear(index, result)
        results = fit_all(source, fitted_by, heard, known)
    search = unfitted_search(case.work, case.settings)
    return refitted(search, case.work, source, results, case.settings.metric), heard


def assert_same_search(case: Case, ours: FittedSearch) -> None:
    """Compare a search with scikit-learn's own of the same settings."""
    theirs = case.scikit_learn().fit(case.work.features, case.work.labels)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert set(vars(theirs)) - set(vars(ours)) <= {"_checked_cv_orig"}
    features = case.work.features
    assert np.array_equal(ours.predict_proba(features), theirs.predict_proba(features))
    assert ours.score(features, case.work.labels) == theirs.score(features, case.work.labels)


@pytest.mark.parametrize("kind", ["int", "bool", "str"])
@pytest.mark.parametrize("metric", ["roc_auc", "f1"])
def test_equal_to_grid_search(kind: str, metric: str) -> None:
    case = make_case(kind, metric=metric)
    assert_same_search(case, run(case)[0])


def test_equal_where_the_grid_touches_other_steps() -> None:
    case = make_case().with_grid(
        {"fillna__columns_0__strategy": ["mean", "median"], "clf__n_estimators": [1, 2]}
    )
    assert not case.work.prefix
    assert_same_search(case, run(case)[0])


@pytest.mark.parametrize(
    "grid",
    [
        [
            {"clf__n_estimators": [1, 2]},
            {"clf__max_features": ["sqrt", 0.5], "clf__max_depth": [2]},
        ],
        {"clf__criterion": ["gini", "entropy"], "clf__n_estimators": [1], "clf__bootstrap": [True]},
        {"clf__monotonic_cst": [[1] * 8, [0] * 8], "clf__max_depth": [None, 2]},
        {"clf__monotonic_cst": [[1] * 8, None], "clf__class_weight": [{0: 1, 1: 2}, "balanced"]},
    ],
)
def test_equal_for_values_of_any_type(grid: Any) -> None:
    case = make_case().with_grid(grid)
    case.work.estimator.set_params(clf__n_estimators=2)
    assert_same_search(case, run(case)[0])


def test_equal_with_data_too_large_to_keep(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_data, "MOST_BYTES_KEPT", 1000)
    assert not Folds(case.work).are_kept(case.work.estimator)
    assert_same_search(case, run(case)[0])


def test_equal_to_randomized_search(case: Case) -> None:
    settings = replace(case.settings, search="random", n_iter=3)
    ours, _ = run(replace(case, settings=settings))
    theirs = RandomizedSearchCV(
        case.work.estimator, settings.grid, n_iter=3, random_state=42, cv=settings.folds,
        scoring=case.work.task.scoring, refit=settings.metric,
    ).fit(case.work.features, case.work.labels)  # fmt: skip
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert type(ours) is type(theirs)


@pytest.mark.parametrize(("kind", "positive"), [("int", "1"), ("bool", "True"), ("str", "yes")])
def test_each_of_two_classes_has_a_row_for_each_fold(kind: str, positive: str) -> None:
    work = make_case(kind).work
    assert work.task.fold_count(work.labels, 5) == 5
    assert work.task.fold_count(work.labels, 500) == 268
    one = np.append(np.flatnonzero(work.labels != work.task.classes[1]), 0)
    assert str(work.labels[0]) == positive
    with pytest.raises(StepError, match="training rows of each class for two folds at least"):
        work.task.fold_count(work.labels[one], 5)


# scikit-learn's own search, run to compare with, warns of what ours tells its listener.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_failing_candidate_is_told_and_passed_over() -> None:
    case = make_case().with_grid({"clf__n_estimators": [1], "clf__max_depth": [2, -1, 3]})
    ours, heard = run(case)
    assert [bool(heard.results[index].error) for index in range(3)] == [False, True, False]
    assert "max_depth" in str(heard.results[1].error)
    assert np.isnan(ours.cv_results_["mean_test_f1"][1])
    assert_same_search(case, ours)


def test_all_candidates_failing_is_an_error() -> None:
    case = make_case().with_grid({"clf__max_depth": [-1, -2]})
    with pytest.raises(StepError, match=r"all 2 failed; the first error: .*max_depth"):
        run(case)


def test_known_candidates_are_not_fitted_again(case: Case) -> None:
    fresh, heard = run(case)
    resumed, again = run(case, known={0: heard.results[0], 2: heard.results[2]})
    assert sorted(again.results) == [1, 3]
    assert_same_results(resumed.cv_results_, fresh.cv_results_)
    assert resumed.cv_results_["mean_fit_time"][2] == fresh.cv_results_["mean_fit_time"][2]


def test_one_after_the_other_in_this_process(case: Case) -> None:
    before = time.time()
    case = case.with_grid({"clf__max_depth": [2, 3, 4, 5]})
    _, heard = run(case)
    assert heard.most_at_once == 1
    ends = [before, *(heard.spans[index].ended for index in range(4))]
    for index in range(4):
        span = heard.spans[index]
        assert ends[index] <= span.started < span.ended


def with_workers(case: Case) -> LocalExecutor:
    """Make an executor that has two worker processes from the start."""
    executor = LocalExecutor(case.work, 2, seconds_worth_workers=-1.0)
    # As if something had been fitted here.
    executor._done = 1
    executor.slots(1)
    assert executor._workers is not None
    executor._workers.wait(seconds=120)
    return executor


@pytest.mark.slow
def test_worker_processes_give_the_same(case: Case) -> None:
    ours, heard = run(case, with_workers(case))
    assert heard.most_at_once == 4
    assert_same_search(case, ours)
    # Of the best one only; made anew they would cost a fit of every fold.
    assert [part.shape for part in ours.unseen_] == [test.shape for _, test in case.work.splits()]


@pytest.mark.slow
def test_turns_to_workers_once_they_are_up(case: Case) -> None:
    executor = LocalExecutor(case.work, 2, seconds_worth_workers=0.0)
    candidate = case.settings.candidates()[0]
    with executor:
        assert executor.slots(3) == 1
        executor.submit(Batch({0: candidate}), lambda *_: None).result()
        slots = executor.slots(3)
        deadline = time.monotonic() + 120
        while slots == 1 and time.monotonic() < deadline:
            time.sleep(0.1)
            slots = executor.slots(3)
        assert slots == 2


def test_few_candidates_start_no_workers(case: Case) -> None:
    executor = LocalExecutor(case.work, 2)
    run(case, executor)
    assert executor._workers is None
    assert executor._threads is None


class Lossy(Executor):
    """An executor whose workers die with some candidates, a given number of times."""

    lost: tuple[type[BaseException], ...] = (ConnectionError,)

    def __init__(self, case: Case, losses: dict[int, int]) -> None:
        self.work, self.losses, self.recovered = case.work, losses, 0

    def __enter__(self) -> Lossy:
        return self

    def __exit__(self, *_: object) -> None: ...

    def slots(self, remaining: int) -> int:
        return 2

    def recover(self) -> None:
        self.recovered += 1

    def submit(self, batch: Batch, report: Any) -> Any:
        """Lose a task after its first candidate."""
        key = next(iter(batch.candidates.values()))["clf__max_depth"]
        self.losses[key] = self.losses.get(key, 0) - 1
        fitted = fit_batch(Folds(self.work), batch, lambda *_: None)
        first = next(iter(fitted))
        report(first, fitted[first])
        return Settled(None if self.losses[key] >= 0 else fitted)


class Settled:
    """A future that is done."""

    def __init__(self, results: dict[int, CandidateResult] | None) -> None:
        self.results = results

    def result(self) -> dict[int, CandidateResult]:
        if self.results is None:
            raise ConnectionError("worker lost")
        return self.results

    def add_done_callback(self, fn: Any) -> None:
        fn(self)


def test_lost_candidates_are_fitted_again(case: Case) -> None:
    executor = Lossy(case, {2: 2})
    ours, heard = run(case, executor)
    assert executor.recovered == 2
    assert len(heard.started_at) == len(heard.results) == 4
    assert_same_search(case, ours)


def test_a_candidate_that_kills_every_worker_ends_the_search(case: Case) -> None:
    case = case.with_grid({"clf__n_estimators": [1, 2, 3, 4], "clf__max_depth": [2, 3]})
    with pytest.raises(StepError, match="found 3 of them lost"):
        run(case, Lossy(case, {2: 99}))


@pytest.mark.slow
def test_a_killed_worker_process_costs_nothing(case: Case) -> None:
    case = case.with_grid({"clf__n_estimators": [1, 2, 60, 61], "clf__max_depth": [2, 3]})
    executor = with_workers(case)

    class Killer(Heard):
        def finished(self, index: int, result: CandidateResult, span: Any) -> None:
            super().finished(index, result, span)
            if len(self.results) == 2 and executor._workers is not None:
                os.kill(next(iter(executor._workers._pool._processes)), signal.SIGKILL)

    heard, candidates = Killer(), case.settings.candidates()
    with executor:
        results = fit_all(Listed(case.work, candidates), executor, heard)
    theirs = case.scikit_learn().fit(case.work.features, case.work.labels)
    names = list(case.work.task.scorers)
    assert_same_results(cv_results(candidates, results, names), theirs.cv_results_)


@pytest.mark.parametrize(("text", "jobs"), [("-1", -1), ("1", 1), ("4", 4)])
def test_jobs(text: str, jobs: int) -> None:
    assert parse_jobs(text) == jobs


@pytest.mark.parametrize("text", ["0", "-2", "two", ""])
def test_what_is_no_number_of_jobs(text: str) -> None:
    with pytest.raises(ValueError, match="at least 1, or -1"):
        parse_jobs(text)


def test_threads_give_the_same(case: Case) -> None:
    case = case.with_grid({"clf__n_estimators": [1, 3], "clf__max_depth": [2, 3, 4]})
    executor = LocalExecutor(case.work, 2, seconds_worth_threads=0.0)
    executor._threads = ThreadPool(2)
    ours, heard = run(case, executor)
    assert heard.most_at_once == 6
    assert_same_search(case, ours)


@pytest.mark.parametrize("known", [[0], [1], [0, 3]])
def test_a_group_of_which_some_are_known(case: Case, known: list[int]) -> None:
    case = case.with_grid({"clf__n_estimators": [1, 2, 4], "clf__max_depth": [3]})
    fresh, heard = run(case)
    known = [index for index in known if index < 3]
    resumed, again = run(case, known={index: heard.results[index] for index in known})
    assert sorted(again.results) == [index for index in range(3) if index not in known]
    assert_same_results(resumed.cv_results_, fresh.cv_results_)


def test_predictions_of_the_best_are_kept(case: Case) -> None:
    ours, heard = run(case)
    estimator = clone(ours.best_estimator_)
    work = case.work
    splits = work.splits()
    theirs = out_of_fold(work.task, estimator, work.features, work.labels, splits)
    np.testing.assert_array_equal(joined(ours.unseen_, splits), theirs)
    # As far as the search's own results go; the others' would fill the memory.
    assert [result.unseen is not None for result in heard.results.values()].count(True) >= 1


@pytest.mark.filterwarnings("ignore")
def test_halving_is_scikit_learns(case: Case) -> None:
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    case = case.with_grid({"clf__n_estimators": [1, 2, 5], "clf__max_depth": [1, 2, 3, -1]})
    settings = replace(case.settings, search="halving")
    work = case.work
    source = Halving(work, settings.candidates(), "roc_auc")
    with LocalExecutor(work, 1) as executor:
        results = fit_all(source, executor, Heard())
    described = unfitted_search(work, settings)
    ours = refitted(described, work, source, results, "roc_auc")
    theirs = HalvingGridSearchCV(
        work.estimator, settings.grid, scoring="roc_auc", cv=settings.folds, random_state=42
    ).fit(work.features, work.labels)
    assert type(ours) is type(theirs)
    found = theirs.cv_results_
    assert ours.cv_results_["params"] == found["params"]
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_index_ == theirs.best_index_
    for name in ("iter", "n_resources"):
        np.testing.assert_array_equal(ours.cv_results_[name], found[name])
    np.testing.assert_array_equal(ours.cv_results_["mean_test_roc_auc"], found["mean_test_score"])
