"""What readers hand over: chunks of rows, decoded to features and to what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from steps.data.schema import Label, Schema


@dataclass(frozen=True)
class Selection:
    """What is taken from each row: the features, the columns to keep, and the target if any.

    `as_text`: kept CSV columns that are not features stay the text they are.
    `as_lines`: what is kept is the row's own text (only asked for where that is possible).
    """

    schema: Schema
    keep: tuple[str, ...]
    target: str | None
    as_text: bool = False
    as_lines: bool = False


@dataclass(frozen=True)
class Rejected:
    """A bad row: its number within the chunk, its line if it is text, and what is wrong."""

    row: int
    line: int | None
    reason: str
    text: str


@dataclass(frozen=True)
class Rows:
    """Decoded rows of one chunk.

    `features` are float64 arrays in schema order, NaN where missing. Kept columns are `kept`, or
    `lines`: the text of each row after a line end. `actual` is the class of each row (0, 1, or
    -1 if it has none) where the target is there. `read` counts the rejected rows too.
    """

    features: list[np.ndarray]
    kept: pa.Table | None
    lines: pa.Array | None
    actual: np.ndarray | None
    read: int
    rejected: list[Rejected] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the good rows."""
        return self.read - len(self.rejected)


class Chunk(Protocol):
    """Some rows of one file, not decoded yet."""

    @property
    def file(self) -> str:
        """What messages call the file."""

    def decode(self, selection: Selection) -> Rows:
        """Decode the rows; called in any thread."""


def class_of(values: pa.ChunkedArray | pa.Array, classes: tuple[Label, Label]) -> np.ndarray:
    """Find the class of each value: 0 or 1, -1 for anything else (a missing one, say)."""
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # A list or bytes: another column of the target's name.
        return np.full(len(values), -1, dtype=np.int8)
    spellings = [(text, position) for position in (0, 1) for text in _spellings(classes[position])]
    found = pc.index_in(
        pc.utf8_trim_whitespace(texts), value_set=pa.array([text for text, _ in spellings])
    )
    positions = np.array([position for _, position in spellings] + [-1], dtype=np.int8)
    actual: np.ndarray = positions[pc.fill_null(found, len(spellings)).to_numpy()]
    return actual


def _spellings(label: Label) -> list[str]:
    if isinstance(label, bool):
        return [str(label), str(label).lower(), str(label).upper()]
    return [str(label), f"{label}.0"] if isinstance(label, int) else [label]
