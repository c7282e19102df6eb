"""The scores of a candidate on every fold, kept in the tags of its child run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

FOLDS = "step.candidate.folds"
# What Azure ML takes in a tag, in characters.
LONGEST_TAG = 1000


def fold_tags(scores: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Write the scores of every fold as JSON, into one tag, or as many as they need."""
    text = json.dumps({name: list(folds) for name, folds in scores.items()}, separators=(",", ":"))
    parts = [text[first : first + LONGEST_TAG] for first in range(0, len(text), LONGEST_TAG)]
    return {FOLDS + (f".{number}" if number else ""): part for number, part in enumerate(parts)}


def read_fold_tags(tags: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    """Read the scores of every fold from the tags of a child run."""
    parts = [tags.get(FOLDS, "")]
    while (name := f"{FOLDS}.{len(parts)}") in tags:
        parts.append(tags[name])
    scores: dict[str, list[float]] = json.loads("".join(parts))
    return {name: tuple(folds) for name, folds in scores.items()}
