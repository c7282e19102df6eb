"""Which candidates a search tries: parameters of the pipeline, and the values of each."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sklearn.model_selection import ParameterGrid, ParameterSampler

from steps.base.errors import StepError
from steps.base.parsers import NONE
from steps.model.estimators import FOREST

# One grid, or several that are tried one after the other, as scikit-learn has it. A search that
# learns takes ranges beside lists: {"low": 2, "high": 20}.
Grid = dict[str, list[Any]] | list[dict[str, list[Any]]]
Candidate = dict[str, Any]

SEARCHES = ("grid", "random", "halving", "tpe")
# Of candidates, and of trees in one of them: beyond these a search would not end.
MOST_CANDIDATES, MOST_TREES = 10_000, 100_000
TREES = ("n_estimators", "max_iter")
# Of a grid's text: PyYAML takes long over much text, and over brackets within brackets.
LONGEST_TEXT, DEEPEST = 1_000_000, 50
RANGE_KEYS = frozenset({"low", "high", "log"})

EXPECTED = (
    'none, or lists of values by parameter name, such as {"clf__min_samples_leaf": [1, 5]}, '
    "inline or in a .json or .yaml file"
)


def forest_grid(
    n_estimators: Sequence[int | None], max_depth: Sequence[int | None]
) -> dict[str, list[Any]]:
    """Make the grid of the two parameters that have a step parameter of their own."""
    return {"clf__n_estimators": list(n_estimators), "clf__max_depth": list(max_depth)}


def parse_grid(text: str) -> Grid | None:
    """Read the `grid` parameter: None for `none`, else what the inline text or the file says.

    A file is read here, so that the value (and the step's key with it) follows its content.
    """
    if text.strip().lower() == NONE:
        return None
    inline = text.lstrip().startswith(("{", "["))
    try:
        source = text if inline else Path(text).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"{EXPECTED} ({type(error).__name__} on reading it)") from None
    _check_text(source)
    # JSON is read as such first: YAML takes 1e-3 for a text.
    grid = _json(source)
    if grid is None:
        grid = _yaml(source)
    grids = grid if isinstance(grid, list) else [grid]
    if not grids or not all(_is_grid(one) for one in grids):
        raise ValueError(EXPECTED)
    return grid  # type: ignore[no-any-return]


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{EXPECTED}, of at most {LONGEST_TEXT:,} characters")
    depth = deepest = 0
    for mark in re.findall(r"[\[{\]}]|^[ \t]*(?:[-?][ \t]+)+", text, re.MULTILINE):
        depth += 1 if mark in "[{" else -1 if mark in "]}" else 0
        deepest = max(deepest, depth, len(mark.split()))
    if deepest > DEEPEST:
        raise ValueError(f"{EXPECTED}, with at most {DEEPEST} lists within lists")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    # Beside JSONDecodeError: numbers with thousands of digits, and brackets within brackets.
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> Any:
    try:
        # An alias makes much of few characters: nine lines can stand for a billion values.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError(f"{EXPECTED}, without YAML aliases")
        found = yaml.safe_load(text)
        # A date, or a list within itself, is no parameter and has no place in the step's key.
        json.dumps(found)
    # PyYAML lets through what its own constructors raise: `!!timestamp x` an AttributeError,
    # `!!int ""` an IndexError, `!!bool x` a KeyError.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        raise ValueError(EXPECTED) from None
    return found


def _is_grid(grid: Any) -> bool:
    return (
        isinstance(grid, dict)
        and bool(grid)
        and all(isinstance(name, str) for name in grid)
        and all(
            (isinstance(values, list) and values) or is_range(values) for values in grid.values()
        )
    )


def is_range(said: Any) -> bool:
    """Tell whether this is a range: finite numbers from low to high, log for a positive low."""
    if not isinstance(said, dict) or not {"low", "high"} <= said.keys() <= RANGE_KEYS:
        return False
    ends = said["low"], said["high"]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in ends):
        return False
    if not isinstance(said.get("log", False), bool):
        return False
    lowest = 0 if said.get("log") else -math.inf
    return bool(all(map(math.isfinite, ends)) and lowest < said["low"] <= said["high"])


def listed(values: Any) -> list[Any]:
    """List a parameter's values: all that a grid has, or the ends of a range."""
    return [values["low"], values["high"]] if isinstance(values, dict) else values


def check_search(grid: Grid, search: str, n_iter: int) -> None:
    """Raise StepError for a search that would not end, and for values that do not go with it."""
    grids: Sequence[Mapping[str, Any]] = grid if isinstance(grid, list) else [grid]
    has_ranges = any(isinstance(values, dict) for one in grids for values in one.values())
    if has_ranges and search != "tpe":
        raise StepError(
            f"parameter grid: expected lists of values for search={search}, found a range of low "
            "and high; give -P search=tpe"
        )
    if search == "tpe" and len(grids) != 1:
        raise StepError("parameter grid: expected one grid for search=tpe, found a list of them")
    count = n_iter if search in ("random", "tpe") else size(grid)
    if count > MOST_CANDIDATES:
        raise StepError(
            f"expected at most {MOST_CANDIDATES:,} candidates, found {count:,}; use fewer values, "
            "or search=random or search=tpe with an n_iter"
        )
    for one in grids:
        for name, values in one.items():
            numbers = [one for one in listed(values) if isinstance(one, int | float)]
            most = max(numbers, default=0)
            if name.endswith(TREES) and most > MOST_TREES:
                raise StepError(f"{name}: expected at most {MOST_TREES:,} trees, found {most:,}")


def check_names(grid: Grid, known: Collection[str]) -> None:
    """Raise StepError for the first parameter that the pipeline does not have."""
    for name in names(grid):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "look them up in a child run"
            raise StepError(
                f"parameter grid: expected parameters of the pipeline, found '{name}'; {hint}"
            )


def names(grid: Grid) -> list[str]:
    """Names of the parameters of a grid, each once."""
    grids: Sequence[Mapping[str, Any]] = grid if isinstance(grid, list) else [grid]
    return list(dict.fromkeys(name for one in grids for name in one))


def common_prefix(grid: Grid, step: str) -> str:
    """Give `<step>__` if the grid is of that step and its parameters only, else an empty text."""
    prefix = f"{step}__"
    only = all(name == step or name.startswith(prefix) for name in names(grid))
    return prefix if only else ""


@dataclass(frozen=True)
class SearchSettings:
    """How to search: `search` is one of SEARCHES; the rest is named as in scikit-learn or train.

    `metric` is the name of a scorer. With more than one of the `families`, `clf` of the grid
    names them.
    """

    grid: Grid
    search: str
    n_iter: int
    seed: int
    metric: str
    folds: int
    families: tuple[str, ...] = (FOREST,)

    def candidates(self) -> list[Candidate]:
        """List the candidates in scikit-learn's order: all, or `n_iter` drawn with `seed`.

        Candidates are drawn without repetition; a grid smaller than `n_iter` is tried whole.
        """
        if self.search != "random":
            return list(ParameterGrid(self.grid))
        drawn = min(self.n_iter, size(self.grid))
        return list(ParameterSampler(self.grid, drawn, random_state=self.seed))


def size(grid: Grid) -> int:
    """Count the combinations of a grid."""
    grids = grid if isinstance(grid, list) else [grid]
    return sum(math.prod(len(values) for values in one.values()) for one in grids)
