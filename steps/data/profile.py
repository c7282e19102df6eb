"""Profile of the training rows, for the report and for drift checks: `data/profile.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base import shapes
from steps.base.errors import StepError, first_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steps.data.schema import Schema

# The population stability index usually takes ten bins of equal weight.
BINS = 10
# This many values of a category are counted one by one, the others together.
MOST_VALUES = 50
# Sums of as many counts are exact, and so many numbers finite.
MOST_ROWS, LARGEST = 1 << 48, 1e300


def profile(train: pa.Table, rows_test: int, schema: Schema) -> dict[str, Any]:
    """Summarise the training rows: the target, and per feature its missing share and values.

    The bins of a number are (e[i-1], e[i]], cut at the deciles of the values present; a feature
    with few different values has fewer bins. A category has row counts of its most frequent
    values, and of all others together.
    """
    target = train.column(schema.target)
    summary: dict[str, Any] = {
        "rows": len(train),
        "rows_test": rows_test,
        "target": schema.target,
        "classes": {},
    }
    if schema.classes:
        counts = {each["values"]: each["counts"] for each in pc.value_counts(target).to_pylist()}
        summary["classes"] = {str(label): counts.get(label, 0) for label in schema.classes}
    else:
        values = target.to_numpy()
        summary["target_values"] = _number(values, np.isnan(values))
    summary["features"] = {
        name: _category(train.column(name))
        if name in schema.categories
        else _number(train.column(name).to_numpy(), missing_values(train, schema, name))
        for name in schema.features
    }
    return summary


def typical_row(profile: Mapping[str, Any], schema: Schema) -> dict[str, float | str | None]:
    """Make up a row from a profile: of numbers the middle of their deciles, of texts the mode.

    It is no row of the table, so it can be shown where rows must not be.
    """
    row: dict[str, float | str | None] = {}
    for name in schema.features:
        column = profile["features"][name]
        if name in schema.categories:
            # A profile lists the most frequent text first.
            row[name] = next(iter(column["values"]), None)
        else:
            edges = column["edges"] or [column["mean"]]
            row[name] = edges[len(edges) // 2]
    return row


def read_profile(text: str, schema: Schema) -> dict[str, Any]:
    """Read a profile as JSON text, and check that `profile` could have written it.

    Raises StepError if not: whoever can write to a run may have written it.
    """
    try:
        content: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StepError(f"expected a profile in JSON, found none ({first_line(error)})") from error
    shapes.check(_Profile, content, "profile")
    _check_counts(content["classes"].values())
    if "target_values" in content:
        _check_numbers(content["target_values"], "target_values")
    for name in schema.features:
        if name not in content["features"]:
            raise StepError(f"expected the feature {name} in the profile, found none")
        feature = content["features"][name]
        if name in schema.categories:
            shapes.check(_Category, feature, name)
            _check_share(feature["missing"])
            _check_counts([*feature["values"].values(), feature["rest"], feature["different"]])
        else:
            _check_numbers(feature, name)
    return content


@dataclass(frozen=True)
class _Profile:
    rows: int
    classes: dict  # type: ignore[type-arg]
    features: dict  # type: ignore[type-arg]


@dataclass(frozen=True)
class _Numbers:
    missing: float
    mean: float
    std: float
    min: float
    max: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class _Category:
    missing: float
    different: int
    values: dict  # type: ignore[type-arg]
    rest: int


def _check_numbers(feature: Any, name: str) -> None:
    shapes.check(_Numbers, feature, name)
    _check_share(feature["missing"])
    _check_counts(feature["counts"])
    edges = feature["edges"]
    plain = [*edges, *(feature[key] for key in ("mean", "std", "min", "max"))]
    if not all(abs(number) <= LARGEST for number in plain) or sorted(set(edges)) != edges:
        raise StepError(f"expected finite numbers in ascending order as edges of {name}")
    if len(feature["counts"]) != len(edges) + 1:
        raise StepError(f"expected a count for each bin of {name}, found others")


def _check_share(missing: float) -> None:
    if not 0 <= missing <= 1:
        raise StepError("expected a share from 0 to 1 of missing values, found another number")


def _check_counts(counts: Iterable[Any]) -> None:
    if not all(type(count) is int and 0 <= count < MOST_ROWS for count in counts):
        raise StepError("expected numbers of rows in the profile, found other values")


def missing_values(table: pa.Table, schema: Schema, name: str) -> np.ndarray:
    """Mark the rows where a feature is missing: null, or 0 if zeros mean missing."""
    column = table.column(name)
    missing: np.ndarray = column.is_null(nan_is_null=True).to_numpy()
    return missing | (column.to_numpy() == 0) if name in schema.zero_as_missing else missing


def _number(values: np.ndarray, missing: np.ndarray) -> dict[str, Any]:
    present = values[~missing]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, present), minlength=len(edges) + 1)
    return {
        "missing": float(missing.mean()),
        "mean": float(present.mean()),
        "std": float(present.std()),
        "min": float(present.min()),
        "max": float(present.max()),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def _category(column: pa.ChunkedArray) -> dict[str, Any]:
    counts = pc.value_counts(column.drop_null()).to_pylist()
    pairs = [(each["values"], each["counts"]) for each in counts]
    pairs.sort(key=lambda pair: (-pair[1], pair[0]))
    return {
        "missing": column.null_count / len(column),
        "different": len(pairs),
        "values": dict(pairs[:MOST_VALUES]),
        "rest": sum(count for _, count in pairs[MOST_VALUES:]),
    }
