"""What passes from readers to writers: rows, as features and kept columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from steps.data.schema import Label, Schema
    from steps.scoring.labels import Labels

# Marks the probability of whichever class is predicted, rather than of a fixed class.
PREDICTED = -1


@dataclass(frozen=True)
class Selection:
    """What is taken from each row: the features, the columns to keep, and the target if any.

    `as_text`: kept CSV columns that are not numbers stay the text they are.
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

    `features` are in schema order: float64 arrays, NaN where missing, and dictionary arrays of
    text, null where missing, for categories. Kept columns are `kept`, or `lines`: the text of
    each row. `labels` are those of the rows where the target is there. `read` counts the rejected
    rows too.
    """

    features: list[np.ndarray | pa.DictionaryArray]
    kept: pa.Table | None
    lines: pa.Array | None
    labels: Labels | None
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
class Predicted:
    """A model's predictions for the rows of a chunk.

    `output` has the probability of each class (rows, classes), or predicted numbers (rows,);
    `classes` are then None, else the position of each row's class. `unseen` counts rows by
    category whose text the training rows did not have.
    """

    output: np.ndarray
    classes: np.ndarray | None
    unseen: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """The columns of the output: what is kept, then `prediction`, then numbers beside it.

    Where classes are predicted, `probabilities` pairs a column's name with the position of its
    class, or `PREDICTED`. Where numbers are, `half_width` is that of their interval, if asked for.
    """

    kept: tuple[pa.Field, ...]
    classes: tuple[Label, ...]
    probabilities: tuple[tuple[str, int], ...] = ()
    half_width: float | None = None

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return [*(item.name for item in self.kept), *self.added]

    @property
    def added(self) -> list[str]:
        """Names of the columns that are not the input's."""
        if self.classes:
            return ["prediction", *(name for name, _ in self.probabilities)]
        interval = ["prediction_low", "prediction_high"] if self.half_width is not None else []
        return ["prediction", *interval]

    @property
    def numbers_added(self) -> list[str]:
        """Names of those that are float64: all but a predicted class."""
        return self.added[1:] if self.classes else self.added

    def numbers(self, predicted: Predicted) -> list[np.ndarray]:
        """Give the columns of `numbers_added`."""
        output = predicted.output
        if predicted.classes is not None:
            rows = np.arange(len(output))
            return [
                np.ascontiguousarray(output[:, position])
                if position != PREDICTED
                else output[rows, predicted.classes]
                for _, position in self.probabilities
            ]
        if self.half_width is None:
            return [output]
        return [output, output - self.half_width, output + self.half_width]


class Sink(Protocol):
    """An output that is being written to `path`."""

    path: Path

    def encode(self, rows: Rows, predicted: Predicted) -> Any:
        """Turn rows into what `write` takes; called in any thread."""

    def write(self, encoded: Any) -> int:
        """Write the next rows and give their number; called in one thread, in order."""
