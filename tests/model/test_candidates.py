"""Candidates are JSON, and become pipelines."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from steps.base.errors import StepError
from steps.model.candidates import candidate_pipeline, unfitted_pipelines, with_labels
from steps.model.estimators import parse_estimators
from steps.model.grid import Candidate
from steps.model.portfolio import search_grid
from tests.model import small_tables

SCHEMA = small_tables.schema("binary")


@pytest.mark.parametrize("labels", [("no", "yes"), (False, True), (3, 7)])
@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting"])
def test_class_weights_of_json(labels: tuple[Any, Any], family: str) -> None:
    text = json.dumps({labels[1]: 5})
    grid: Candidate = {"clf__class_weight": json.loads(text), "clf__max_depth": 2}
    families = unfitted_pipelines([family], SCHEMA, 0)
    values = np.array(labels, dtype=object if isinstance(labels[0], str) else None)
    actual = values[(small_tables.labels("binary") == "yes").astype(int)]
    rows = small_tables.features()
    given = [
        candidate_pipeline(one, families, list(labels)).fit(rows, actual).predict_proba(rows)
        for one in (grid, {"clf__max_depth": 2})
    ]
    assert given[0][:, 1].mean() > given[1][:, 1].mean() + 0.1


def test_a_weight_of_what_is_no_class_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected classes no, yes, found maybe"):
        with_labels({"maybe": 2}, ["no", "yes"], encoded=False)
    assert with_labels("balanced", ["no", "yes"], encoded=True) == "balanced"


def test_each_family_takes_the_parameters_that_it_has() -> None:
    grid: dict[str, list[Any]] = {"clf__C": [0.1, 1.0], "clf__max_depth": [2]}
    assert search_grid(("linear", "extra_trees"), grid, SCHEMA, 0) == [
        {"clf": ["linear"], "clf__C": [0.1, 1.0]},
        {"clf": ["extra_trees"], "clf__max_depth": [2]},
    ]
    assert search_grid(("linear",), {"clf__C": [1.0]}, SCHEMA, 0) == {"clf__C": [1.0]}


def test_one_family_without_a_grid_is_searched_as_auto_does() -> None:
    assert search_grid(("linear",), None, SCHEMA, 0) == [{"clf__C": [0.01, 0.1, 1.0]}]
    both = search_grid(("linear", "extra_trees"), None, SCHEMA, 0)
    assert [one["clf"] for one in both] == [["linear"], ["extra_trees"]]  # type: ignore[index]


@pytest.mark.parametrize(
    ("estimators", "grid", "message"),
    [
        (("auto",), {"clf__C": [1]}, "estimators by name beside a grid, found auto"),
        (("linear",), {"clf": ["passthrough"]}, "found the step clf"),
        (("linear",), {"fillna": ["passthrough"]}, "found the step fillna"),
        (("linear",), {"clf__max_depth": [1]}, "found 'clf__max_depth'"),
        (("linear", "extra_trees"), {"clf__leaf": [1]}, "found 'clf__leaf'"),
    ],
)
def test_what_is_no_grid_of_these_estimators(
    estimators: tuple[str, ...], grid: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        search_grid(estimators, grid, SCHEMA, 0)


def test_estimators_are_read() -> None:
    assert parse_estimators("linear, extra_trees") == ("linear", "extra_trees")
    for text in ("auto,linear", "linear,linear", "forest", ""):
        with pytest.raises(ValueError, match="auto, or different ones of random_forest, extra_t"):
            parse_estimators(text)
