"""Classes of which there are too few rows to learn them: their rows are left out, and told.

This holds for more than two classes. Without one of two classes there would be nothing to learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError

if TYPE_CHECKING:
    from steps.data.schema import Label, Schema

# Of the training rows: whatever the folds of the search, one of two rows is fitted on.
FEWEST_ROWS = 2
# If more rows than this share are of rare classes, the target names rows rather than classes.
MOST_LEFT_OUT = 0.5
MOST_NAMED = 5


def rare_classes(train: pa.Table, schema: Schema) -> tuple[Label, ...]:
    """Name the classes that have fewer than `FEWEST_ROWS` training rows, if there are over two."""
    if len(schema.classes) <= 2:
        return ()
    counts = {
        each["values"]: each["counts"]
        for each in pc.value_counts(train.column(schema.target)).to_pylist()
    }
    return tuple(label for label in schema.classes if counts.get(label, 0) < FEWEST_ROWS)


def leave_out(part: pa.Table, schema: Schema, rare: tuple[Label, ...]) -> pa.Table:
    """Leave out the rows of rare classes."""
    column = part.column(schema.target)
    return part.filter(pc.invert(pc.is_in(column, pa.array(list(rare), column.type))))


def check_left_out(
    schema: Schema, rare: tuple[Label, ...], before: tuple[int, int], after: tuple[int, int]
) -> str:
    """Say how many rows were left out; raise a StepError if they are too many.

    `before` and `after` are the rows to train on and those held out.
    """
    rows = sum(before) - sum(after)
    more = f" and {len(rare) - MOST_NAMED:,} more" if len(rare) > MOST_NAMED else ""
    named = ", ".join(map(str, rare[:MOST_NAMED])) + more
    too_many = rows > MOST_LEFT_OUT * sum(before) or len(rare) > len(schema.classes) - 2
    if too_many or 0 in after:
        or_numbers = "" if isinstance(rare[0], str) else ", predict numbers (-P task=regression)"
        raise StepError(
            f"expected several rows of each class of target {schema.target}, found one or two of "
            f"{named}; join rare classes{or_numbers}, or choose another target"
        )
    return (
        f"{rows:,} row{'s' if rows > 1 else ''} of too rare classes of {schema.target} "
        f"{'are' if rows > 1 else 'is'} left out: {named}"
    )


def strata(labels: np.ndarray, classes: int, fewest: int) -> np.ndarray | None:
    """Give the classes to draw rows within, as scikit-learn allows.

    Of more than two classes, those of one row join the rarest of the others. None if there are
    more classes than rows in the smaller part, `fewest`.
    """
    if classes <= 2:
        return labels
    names, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() > 1:
        return labels if len(names) <= fewest else None
    several = counts > 1
    if not several.any():
        return None
    rarest = int(np.argmin(np.where(several, counts, len(labels) + 1)))
    joined: np.ndarray = np.where(several, np.arange(len(names)), rarest)[places]
    return joined if several.sum() <= fewest else None
