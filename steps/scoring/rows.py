"""What passes from readers to writers: rows, decoded to features and to what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from steps.data.values import DEFAULT, TextRules

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from steps.data.schema import Label, Schema


@dataclass(frozen=True)
class Selection:
    """What is taken from each row: the features, the columns to keep, and the target if any.

    `as_text`: kept CSV columns that are not features stay the text they are.
    `as_lines`: what is kept is the row's own text (only asked for where that is possible).
    `rules` are those by which text is read.
    """

    schema: Schema
    keep: tuple[str, ...]
    target: str | None
    as_text: bool = False
    as_lines: bool = False
    rules: TextRules = DEFAULT


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
    `lines`: the text of each row. `actual` is the class of each row (0, 1, or
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


@dataclass(frozen=True)
class Layout:
    """The columns of the output: what is kept, then `prediction`, then the probabilities.

    `probabilities` pairs a column's name with the position of its class.
    """

    kept: tuple[pa.Field, ...]
    classes: tuple[Label, ...]
    probabilities: tuple[tuple[str, int], ...]

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return [*(item.name for item in self.kept), *self.added]

    @property
    def added(self) -> list[str]:
        """Names of the columns that are not the input's."""
        return ["prediction", *(name for name, _ in self.probabilities)]


@dataclass(frozen=True)
class Predicted:
    """Class position and class probabilities of each row of a chunk."""

    classes: np.ndarray
    probabilities: np.ndarray


class Sink(Protocol):
    """An output that is being written to `path`."""

    path: Path

    def encode(self, rows: Rows, predicted: Predicted) -> Any:
        """Turn rows into what `write` takes; called in any thread."""

    def write(self, encoded: Any) -> int:
        """Write the next rows and give their number; called in one thread, in order."""
