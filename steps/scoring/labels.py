"""The labels of scored rows: each row's class or number, and labels that are neither."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.data import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steps.data.schema import Schema

# The most distinct texts that a message lists.
MOST_TEXTS = 5
# The most texts counted one by one; further ones, as of identifiers, count only as rows.
MOST_COUNTED = 1000
LONGEST_TEXT = 40


@dataclass
class Unknown:
    """Labels that are present but not a class (or number): rows in total, and rows by text."""

    rows: int = 0
    texts: Counter[str] = field(default_factory=Counter)

    def add(self, rows: int, texts: Mapping[str, int]) -> None:
        """Add the unknown labels of other rows."""
        self.rows += rows
        for text, count in texts.items():
            if text in self.texts or len(self.texts) < MOST_COUNTED:
                self.texts[text] += count

    def __str__(self) -> str:
        """List the most frequent texts."""
        listed = [f"{text!r} ({rows:,})" for text, rows in self.texts.most_common(MOST_TEXTS)]
        return ", ".join(listed) + (" …" if len(self.texts) > MOST_TEXTS else "")


@dataclass(frozen=True)
class Labels:
    """The labels of some rows.

    `actual` holds positions of classes (-1 for none) or numbers (NaN for none).
    """

    actual: np.ndarray
    unknown: Unknown


def read_labels(column: pa.Array | pa.ChunkedArray, schema: Schema) -> Labels:
    """Read the labels from a target column of any type."""
    if schema.classes:
        actual = values.class_of(column, schema.classes)
        return Labels(actual, _unknown(column, actual < 0, schema))
    if not values.holds_numbers(column.type):
        nothing = np.full(len(column), np.nan)
        return Labels(nothing, _unknown(column, np.isnan(nothing), schema))
    numbers, wrong = values.numbers(column, schema.target, schema.rules)
    if wrong:
        # The array may be Arrow's own memory, so do not write to it.
        numbers = numbers.copy()
        numbers[list(wrong)] = np.nan
    return Labels(numbers, _unknown(column, np.isnan(numbers), schema))


def _unknown(column: pa.Array | pa.ChunkedArray, without: np.ndarray, schema: Schema) -> Unknown:
    found = Unknown()
    if not without.any() or column.null_count == len(column):
        return found
    left = column.filter(pa.array(without)).drop_null()
    if pa.types.is_dictionary(left.type):
        left = left.cast(left.type.value_type)
    try:
        texts = pc.utf8_trim_whitespace(left.cast(pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # For example lists, or bytes that are not text.
        found.add(len(left), {str(left.type): len(left)})
        return found
    texts = texts.filter(pc.invert(pc.is_in(texts, pa.array(["", *schema.rules.missing]))))
    counts = {
        _short(each["values"].as_py()): each["counts"].as_py() for each in pc.value_counts(texts)
    }
    found.add(len(texts), counts)
    return found


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
