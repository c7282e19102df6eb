"""The report's section about the data: decisions on columns, the split, the features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.report.page import amount

if TYPE_CHECKING:
    from steps.model.evaluation import Evaluation
    from steps.report.origin import Origin

MOST_FEATURES, MOST_DECISIONS, MOST_CLASSES, MOST_VALUES = 40, 60, 6, 3
# Dropped columns come first.
DROPPED = "dropped"


def content(evaluation: Evaluation, origin: Origin) -> dict[str, Any]:
    """Fill the template's section about the data."""
    features = sorted(origin.profile["features"].items(), key=lambda item: -item[1]["missing"])
    shown = features[:MOST_FEATURES]
    return {
        "target": origin.schema.target,
        **_split(evaluation, origin),
        "number_rows": [_number(name, one) for name, one in shown if "mean" in one],
        "category_rows": [_category(name, one) for name, one in shown if "values" in one],
        "features_left": max(0, len(features) - MOST_FEATURES),
        "filled_with_mean": not origin.schema.categories,
        "decided": _decided(origin.decisions),
    }


def _split(evaluation: Evaluation, origin: Origin) -> dict[str, Any]:
    classes = [str(label) for label in evaluation.classes]
    if not classes:
        return _split_of_numbers(evaluation, origin)
    held_out = np.bincount(evaluation.truth.astype(int), minlength=len(classes)).tolist()
    train = [origin.profile["classes"].get(label, 0) for label in classes]
    few = len(classes) <= MOST_CLASSES
    return {
        "split_columns": [f"{origin.schema.target} = {label}" for label in classes] if few else [],
        "split_rows": [
            {
                "name": name,
                "rows": f"{sum(counts):,}",
                "cells": _shares(counts) if few else [],
            }
            for name, counts in (("training", train), ("held-out", held_out))
        ],
    }


def _split_of_numbers(evaluation: Evaluation, origin: Origin) -> dict[str, Any]:
    truth, train = evaluation.truth, origin.profile.get("target_values")
    held_out = {
        "mean": truth.mean(),
        "std": truth.std(),
        "min": truth.min(),
        "max": truth.max(),
    }
    parts = [
        ("training", origin.profile["rows"], train),
        ("held-out", len(truth), held_out),
    ]
    return {
        "split_columns": [f"{of} of {origin.schema.target}" for of in _SHOWN.values()],
        "split_rows": [
            {
                "name": name,
                "rows": f"{rows:,}",
                "cells": [amount(float(values[key])) if values else "" for key in _SHOWN],
            }
            for name, rows, values in parts
        ],
    }


_SHOWN = {"mean": "mean", "std": "deviation", "min": "min", "max": "max"}


def _shares(counts: Sequence[int]) -> list[str]:
    return [f"{count:,} ({count / sum(counts):.1%})" for count in counts]


def _missing(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "missing": f"{values['missing']:.1%}",
        "width": round(100 * values["missing"], 1),
    }


def _number(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return _missing(name, values) | {key: f"{values[key]:,.4g}".replace("-", "−") for key in _SHOWN}


def _category(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    counts: Mapping[str, int] = values["values"]
    present = max(1, sum(counts.values()) + values["rest"])
    most = sorted(counts.items(), key=lambda item: -item[1])[:MOST_VALUES]
    return _missing(name, values) | {
        "different": f"{values['different']:,}",
        "frequent": [(text, f"{count / present:.0%}") for text, count in most],
    }


def _decided(decisions: Mapping[str, Any]) -> dict[str, Any] | None:
    """Lay out `data/decisions.json`; None if there is nothing in it."""
    columns = list(decisions.get("columns", ()))
    found = {name: list(decisions.get(name, ())) for name in ("notes", "warnings")}
    if not columns and not any(found.values()):
        return None
    told = [one for one in columns if one["note"]]
    # A stable sort: columns of a kind stay in the table's order.
    told.sort(key=lambda one: one["kind"] != DROPPED)
    kinds = Counter(one["kind"] for one in columns)
    return {
        **found,
        "kinds": ", ".join(f"{count:,} {_counted(kind, count)}" for kind, count in kinds.items()),
        "columns": told[:MOST_DECISIONS],
        "columns_left": f"{len(told) - MOST_DECISIONS:,}" if len(told) > MOST_DECISIONS else "",
    }


def _counted(kind: str, count: int) -> str:
    if count == 1 or kind == DROPPED:
        return kind
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
