"""The labels of rows that are scored: the class or number of each, and what is neither."""

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

# As many different texts are listed.
MOST_TEXTS = 5
# As many are counted one by one; of a column of identifiers only the number of rows is kept.
MOST_COUNTED = 1000
LONGEST_TEXT = 40


@dataclass
class Unknown:
    """Labels that are there, but are no class (no number): rows in all, and rows by text."""

    rows: int = 0
    texts: Counter[str] = field(default_factory=Counter)

    def add(self, rows: int, texts: Mapping[str, int]) -> None:
        """Add those of other rows."""
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

    `actual` are positions of classes, -1 for none, or numbers, NaN for none.
    """

    actual: np.ndarray
    unknown: Unknown


def read_labels(column: pa.Array | pa.ChunkedArray, schema: Schema) -> Labels:
    """Read the labels of a target's column, of any type."""
    if schema.classes:
        actual = values.class_of(column, schema.classes)
        return Labels(actual, _unknown(column, actual < 0, schema))
    if not values.holds_numbers(column.type):
        nothing = np.full(len(column), np.nan)
        return Labels(nothing, _unknown(column, np.isnan(nothing), schema))
    numbers, wrong = values.numbers(column, schema.target, schema.rules)
    if wrong:
        # Arrow may lend out its own memory.
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
        # Lists, say, or bytes that are no text.
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
