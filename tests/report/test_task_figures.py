"""Figures and findings of many classes and of numbers, also for odd predictions."""

from __future__ import annotations

import numpy as np
import pytest

from steps.model.conformal import conformal
from steps.model.details import MulticlassDetails, class_scores
from steps.model.fitted_search import summarize_search
from steps.model.importances import Importances
from steps.report import (
    charts,
    multiclass_figures,
    regression_figures,
    search_figures,
    search_layout,
    sentences,
)
from steps.report.calibration_figure import calibration
from steps.report.data_section import _decided
from steps.report.multiclass_part import confusions
from steps.report.origin import run_page
from steps.report.page import amount, signed_amount

RANDOM = np.random.default_rng(0)
LARGEST = 250_000


def svg_of(figure: object) -> str:
    with charts.style():
        drawn = charts.to_svg(figure, "figure")  # type: ignore[arg-type]
    assert len(drawn) < LARGEST
    return drawn


def probabilities(rows: int, classes: int, *, constant: bool) -> np.ndarray:
    drawn = np.ones((rows, classes)) if constant else RANDOM.random((rows, classes))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def details_of(truth: np.ndarray, predicted: np.ndarray) -> MulticlassDetails:
    labels = tuple(f"kind {position}" for position in range(predicted.shape[1]))
    each, confusion = class_scores(truth, predicted, labels)
    return MulticlassDetails({}, Importances(("a",), np.zeros((1, 3))), each, confusion)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("classes", "there"), [(3, 3), (3, 2), (20, 19), (200, 150)])
def test_many_classes_are_drawn(classes: int, there: int, constant: bool) -> None:
    truth = np.arange(600) % there
    predicted = probabilities(600, classes, constant=constant)
    found = details_of(truth, predicted)
    drawn = svg_of(multiclass_figures.roc(truth, predicted, found.each))
    assert drawn.count("kind ") == min(there, multiclass_figures.MOST_CURVES)
    svg_of(
        calibration(predicted.argmax(axis=1) == truth, predicted.max(axis=1), ("share", "right"))
    )
    if classes <= multiclass_figures.MOST_IN_MATRIX:
        labels = [str(one.label) for one in found.each]
        assert "kind 0" in svg_of(multiclass_figures.matrix(found.confusion, labels))
    svg_of(multiclass_figures.recalls(found.each))


def test_confusions_are_named_from_the_largest() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.eye(4)[[1, 1, 2, 0, 1, 1, 2]]
    found = details_of(truth, predicted)
    first, second = confusions(found)
    assert (first.actual, first.predicted, first.rows, first.share) == ("kind 0", "kind 1", 2, 0.5)
    assert (second.predicted, second.rows) == ("kind 2", 1)
    least, most_often, unknown = sentences.classes_apart(found, first)
    assert least == "Its weakest class is kind 0: it finds 1 of 4 rows (25%)."
    assert most_often == (
        "Its most frequent mistake is kind 0 predicted as kind 1: 2 rows, 50% of that class."
    )
    assert unknown.startswith("1 class has no held-out row")
    right = details_of(np.array([0, 1]), np.eye(2))
    assert confusions(right) == []
    assert sentences.classes_apart(right, None) == ["It mistakes no row for another class."]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 50, 100_000])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_numbers_are_drawn_in_bounded_size(rows: int, constant: bool, scale: float) -> None:
    truth = scale * RANDOM.standard_t(2, rows)
    predicted = np.full(rows, scale) if constant else truth + scale * RANDOM.normal(size=rows)
    svg_of(regression_figures.predicted_against_actual(truth, predicted))
    svg_of(regression_figures.residuals(truth, predicted))
    learnt = conformal(truth, predicted)
    svg_of(regression_figures.errors(truth, predicted, learnt.half_width(0.9)))
    svg_of(regression_figures.coverage(truth, predicted, learnt))


def test_rows_far_out_are_counted() -> None:
    truth = np.append(RANDOM.normal(size=5_000), [1e6, 2e6])
    assert "2 rows lie outside" in svg_of(
        regression_figures.predicted_against_actual(truth, np.zeros(5_002))
    )


def test_errors_of_a_search_are_shown_as_such_and_families_by_name() -> None:
    params = [
        {"clf": "linear", "clf__C": 0.1},
        {"clf": "linear", "clf__C": 1.0},
        {"clf": "hist_gradient_boosting", "clf__max_iter": 100},
        {"clf": "average"},
    ]
    scores = -np.array([3.0, 2.0, 1.0, 1.5])
    table = {"params": params, "mean_test_neg_mae": scores, "std_test_neg_mae": scores / -10}
    search = summarize_search(table, "neg_mae", 5)
    assert search_layout.descriptions(search, search_layout.ranked(search)) == [
        "histogram boosting",
        "average of all",
        "linear, C 1",
        "linear, C 0.1",
    ]
    assert search_layout.kind(search) == "families"
    assert search_layout.shown_score(search, search.best) == 1.0
    with charts.style():
        drawn = search_figures.hyper_parameters(search)
    assert "MAE (lower is better)" in svg_of(drawn)
    assert "MAE (lower is better)" in svg_of(search_figures.candidates(search))


def test_numbers_of_any_size_are_readable() -> None:
    shown = [
        amount(value) for value in (0, 0.012345, 1.2345, 12.345, 123.45, 1234567.8, float("nan"))
    ]
    assert shown == ["0.00", "0.0123", "1.23", "12.3", "123", "1,234,568", "–"]
    assert [signed_amount(value) for value in (-12.3, 12.3)] == ["−12.3", "+12.3"]
    assert amount(1e-9) == "1.000e−09"


def test_a_run_has_a_page_only_on_a_server_and_no_password_in_it() -> None:
    assert run_page("http://me:secret@host:5000/", "1", "ab") == (
        "http://host:5000/#/experiments/1/runs/ab?workflowType=machine_learning"
    )
    assert run_page("sqlite:////tmp/mlflow.db", "1", "ab") == ""


def test_decisions_are_laid_out_dropped_columns_first() -> None:
    columns = [
        {"column": "a", "kind": "category", "note": "3 values"},
        {"column": "b", "kind": "category", "note": ""},
        {"column": "c", "kind": "dropped", "note": "empty"},
    ]
    found = _decided({"columns": columns, "notes": ["n"], "warnings": ["w"]})
    assert found is not None
    assert [one["column"] for one in found["columns"]] == ["c", "a"]
    assert (found["kinds"], found["notes"]) == ("2 categories, 1 dropped", ["n"])
    assert _decided({}) is None
    assert _decided({"columns": [], "notes": [], "warnings": []}) is None
