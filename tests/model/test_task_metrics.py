"""Metrics of more classes and of numbers are scikit-learn's, and so are the folds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import KFold

from steps.base.errors import StepError
from steps.model import class_metrics, number_metrics
from steps.model.details import class_scores
from steps.model.gate import check_names
from steps.model.task import Task, parse_metric, task_of
from tests.model import small_tables


def task(name: str) -> Task:
    return task_of(small_tables.schema(name), 3)


def rows(seed: int = 0, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Make classes, and probabilities with ties that tell something about them."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, count)
    weights = random.random((count, 4)).round(1) + 0.1 + np.eye(4)[truth]
    return truth, weights / weights.sum(axis=1, keepdims=True)


def test_class_metrics() -> None:
    truth, probability = rows()
    decided = probability.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    assert class_metrics.scores(truth, probability) == pytest.approx(
        {
            "roc_auc": metrics.roc_auc_score(truth, probability, multi_class="ovr"),
            "log_loss": metrics.log_loss(truth, probability),
            "accuracy": metrics.accuracy_score(truth, decided),
            "balanced_accuracy": metrics.balanced_accuracy_score(truth, decided),
            "f1": metrics.f1_score(truth, decided, **macro),
            "precision": metrics.precision_score(truth, decided, **macro),
            "recall": metrics.recall_score(truth, decided, **macro),
        }
    )


def test_a_class_without_rows_has_no_area_and_takes_none_away() -> None:
    truth, probability = rows()
    known = truth < 3
    each, confusion = class_scores(truth[known], probability[known], ("a", "b", "c", "d"))
    assert [one.roc_auc is None for one in each] == [False, False, False, True]
    found = class_metrics.roc_auc(truth[known], probability[known])
    assert found == pytest.approx(np.mean([one.roc_auc for one in each[:3]]))
    assert confusion.sum() == known.sum()
    assert each[3].rows == 0


def test_scorers_of_classes_are_the_metrics() -> None:
    truth = small_tables.labels("multiclass")
    # It gives each class its share: the same to each row.
    fitted = DummyClassifier(strategy="prior").fit(truth, truth)
    found = task("multiclass")
    expected = found.scores(found.truth(truth), fitted.predict_proba(truth))
    for name, scorer in found.scorers.items():
        metric = name.removeprefix("neg_")
        sign = 1 if metric == name else -1
        assert sign * scorer(fitted, truth, truth) == pytest.approx(expected[metric])


def test_number_metrics() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=50)
    predicted = truth + random.normal(size=50)
    assert number_metrics.scores(truth, predicted) == pytest.approx(
        {
            "r2": metrics.r2_score(truth, predicted),
            "mae": metrics.mean_absolute_error(truth, predicted),
            "rmse": metrics.root_mean_squared_error(truth, predicted),
            "median_absolute_error": metrics.median_absolute_error(truth, predicted),
        }
    )
    same = np.ones(3)
    assert number_metrics.scores(same, same)["r2"] == 1
    assert number_metrics.scores(same, predicted[:3])["r2"] == 0


def test_a_metric_has_to_fit_the_target() -> None:
    assert task("binary").scorer("auto") == "roc_auc"
    assert task("regression").scorer("auto") == "r2"
    assert task("regression").scorer("rmse") == "neg_rmse"
    with pytest.raises(StepError, match=r"auto or one of r2, mae, .* numbers, found roc_auc"):
        task("regression").scorer("roc_auc")
    with pytest.raises(StepError, match="a target of 2 classes, found log_loss"):
        task("binary").scorer("log_loss")
    with pytest.raises(ValueError, match="auto, or one of roc_auc, precision"):
        parse_metric("auc")


def test_a_minimum_has_to_fit_the_target() -> None:
    check_names({"test_r2_low": 0.5}, task("regression"))
    check_names({"test_balanced_accuracy": 0.5}, task("multiclass"))
    with pytest.raises(StepError, match=r"a target of numbers \(test_r2\), found test_f1"):
        check_names({"test_f1": 0.5}, task("regression"))


def test_folds_of_numbers_are_shuffled_with_the_seed() -> None:
    labels = np.arange(30.0)
    expected = KFold(3, shuffle=True, random_state=3).split(labels)
    for ours, theirs in zip(task("regression").splits(labels, 3), expected, strict=True):
        assert all(map(np.array_equal, ours, theirs))
    assert task("regression").fold_count(labels, 20) == 15
    assert task("regression").fold_count(labels[:4], 20) == 2
    with pytest.raises(StepError, match="expected four training rows for two folds at least"):
        task("regression").fold_count(labels[:3], 20)


@pytest.mark.parametrize("name", small_tables.TASKS)
def test_no_group_is_on_both_sides_of_a_fold(name: str) -> None:
    labels, groups = small_tables.labels(name), np.arange(small_tables.ROWS) // 6
    found = task(name)
    for train, test in found.splits(labels, 4, groups):
        assert not set(groups[train]) & set(groups[test])
    assert found.fold_count(labels, 4, groups // 10) == 2
    with pytest.raises(StepError, match="expected several groups in the training rows for two"):
        found.fold_count(labels, 4, groups // 100)


def test_a_class_with_fewer_rows_than_folds_is_in_the_rows_to_fit_on() -> None:
    labels = np.array(["a"] * 20 + ["b"] * 9 + ["c"] * 2)
    found = task("multiclass")
    assert found.fold_count(labels, 5) == 5
    splits = found.splits(labels, 5)
    assert [*map(len, splits)] == [2] * 5
    assert all(set(labels[seen]) == {"a", "b", "c"} for seen, _ in splits)
    assert sum("c" in labels[unseen] for _, unseen in splits) == 2


def test_a_class_of_one_group_cannot_be_in_folds_by_group() -> None:
    labels = small_tables.labels("multiclass")
    groups = np.where(labels == "c", 99, np.arange(small_tables.ROWS) // 6)
    with pytest.raises(StepError, match="expected each class in several groups, found c"):
        task("multiclass").splits(labels, 3, groups)
