"""Which candidates a search tries."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sklearn.model_selection import ParameterGrid, ParameterSampler

from steps.base.errors import StepError
from steps.model.grid import (
    Candidate,
    Grid,
    SearchSettings,
    check_names,
    check_search,
    common_prefix,
    forest_grid,
    parse_grid,
    size,
)

GRID: dict[str, list[object]] = {"clf__min_samples_leaf": [1, 5], "clf__max_depth": [2, None]}


def test_none_is_no_grid() -> None:
    assert parse_grid("none") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"clf__min_samples_leaf": [1, 5], "clf__max_depth": [2, null]}',
        "{clf__min_samples_leaf: [1, 5], clf__max_depth: [2, null]}",
    ],
)
def test_inline(text: str) -> None:
    assert parse_grid(text) == GRID


def test_several_grids() -> None:
    assert parse_grid('[{"a": [1]}, {"b": [2, 3]}]') == [{"a": [1]}, {"b": [2, 3]}]


def test_small_numbers_of_json_stay_numbers() -> None:
    assert parse_grid('{"clf__ccp_alpha": [1e-3]}') == {"clf__ccp_alpha": [0.001]}


def test_files(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text('{"clf__max_depth": [2, null]}')
    (tmp_path / "grid.yaml").write_text("clf__max_depth: [2, null]\n")
    for name in ("grid.json", "grid.yaml"):
        assert parse_grid(str(tmp_path / name)) == {"clf__max_depth": [2, None]}


@pytest.mark.parametrize(
    "text", ["missing.json", "{", "[]", "{}", '{"a": 1}', '{"a": []}', "[1]", '{"1": [2], 3: [4]}']
)
def test_what_is_no_grid(text: str) -> None:
    with pytest.raises(ValueError, match="lists of values by parameter name"):
        parse_grid(text)


def test_unknown_names_list_close_ones() -> None:
    known = {"clf__max_depth": 1, "clf__min_samples_leaf": 1, "memory": None}
    check_names(GRID, known)
    with pytest.raises(StepError, match="'clf__min_sample_leaf'; did you mean clf__min_samples_le"):
        check_names({"clf__min_sample_leaf": [1]}, known)
    with pytest.raises(StepError, match="found 'zzz'; look them up"):
        check_names([{"memory": [None]}, {"zzz": [1]}], known)


def candidates(grid: Grid, search: str, n_iter: int, seed: int) -> list[Candidate]:
    return SearchSettings(grid, search, n_iter, seed, "roc_auc", 5).candidates()


def test_scikit_learns_order() -> None:
    grid = forest_grid((1, 2, 3), (2, None))
    assert candidates(grid, "grid", 1, 0) == list(ParameterGrid(grid))
    assert candidates(grid, "random", 4, 7) == list(ParameterSampler(grid, 4, random_state=7))
    assert size(grid) == 6


def test_a_small_grid_is_tried_whole() -> None:
    drawn = candidates(GRID, "random", 10, 0)
    assert len(drawn) == 4
    assert all(candidate in drawn for candidate in ParameterGrid(GRID))


def test_common_prefix() -> None:
    assert common_prefix(GRID, "clf") == "clf__"
    assert common_prefix([GRID, {"fillna__n_jobs": [1]}], "clf") == ""
    assert common_prefix({"clf": ["passthrough"]}, "clf") == "clf__"


@pytest.mark.parametrize(
    ("grid", "search", "expected"),
    [
        ({f"clf__{name}": list(range(1000)) for name in "abc"}, "grid", "found 1,000,000,000;"),
        ({f"clf__{name}": list(range(1000)) for name in "abc"}, "halving", "at most 10,000"),
        ({"clf__n_estimators": [1, 10**12]}, "grid", "100,000 trees, found 1,000,000,000,000"),
        ({"clf__max_iter": {"low": 1, "high": 10**6}}, "tpe", "100,000 trees"),
        ({"clf__max_depth": {"low": 1, "high": 9}}, "random", "give -P search=tpe"),
        ([{"clf__max_depth": [1]}, {"clf__max_depth": [2]}], "tpe", "expected one grid"),
    ],
)
def test_what_would_not_end_is_refused(grid: Any, search: str, expected: str) -> None:
    with pytest.raises(StepError, match=expected):
        check_search(grid, search, 10)


def test_a_large_grid_may_be_drawn_from() -> None:
    check_search({f"clf__{name}": list(range(1000)) for name in "abc"}, "random", 10)


def test_ranges_are_read() -> None:
    text = '{"clf__max_depth": {"low": 2, "high": 20}, "clf__max_features": [0.3, "sqrt"]}'
    assert parse_grid(text) == json.loads(text)


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{later}: &{later} [{', '.join([f'*{first}'] * 9)}]\n"
    for first, later in pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    "text",
    [
        ALIASES,
        "a: " + "[" * 20_000,
        "a: " + "{b: " * 5_000,
        "- " * 20_000,
        "? " * 20_000,
        "a: [" + "x, " * 400_000,
    ],
    ids=["aliases", "lists", "mappings", "dashes", "keys", "long"],
)
def test_hostile_text_is_refused_at_once(text: str, tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(ValueError, match="lists of values by parameter name"):
        parse_grid(str(path))
    assert time.process_time() - started < 2
