"""What a model's own probabilities say about its predictions: their mean, and the scores to expect.

Where a probability p is right, a row decided positive is a true positive with chance p and a
false one with chance 1 - p. Summed over the rows, this gives the confusion matrix to expect, and
from pairs of rows the area under the curve (confidence-based performance estimation, NannyML's
CBPE). It holds as long as probabilities mean what they meant in training: rows of another kind
are allowed for, a changed relation between features and target is not seen at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steps.scoring.labelled_binary import of_confusion

if TYPE_CHECKING:
    from steps.scoring.rows import Predicted

# Two rows within one step count as a tie, which moves the area by less than 0.001.
STEPS = 1000


@dataclass(frozen=True)
class Expected:
    """Sums over scored rows; those of several parts can be added up.

    Of two classes: `rows_at[decided, step]` counts the rows by the step of their probability, and
    `positives_at` adds up these probabilities. Of more classes there is one step, of the
    probability of the predicted class.
    """

    rows_at: np.ndarray
    positives_at: np.ndarray

    @classmethod
    def count(cls, predicted: Predicted) -> Expected | None:
        """Add up a chunk; None where numbers are predicted."""
        if predicted.classes is None:
            return None
        output, classes = predicted.output, predicted.classes
        if output.shape[1] > 2:
            own = output[np.arange(len(output)), classes]
            return cls(np.array([[len(own)]]), np.array([[own.sum()]]))
        probability = output[:, 1]
        step = (probability * STEPS).astype(np.intp) + classes * (STEPS + 1)
        size = 2 * (STEPS + 1)
        return cls(
            np.bincount(step, minlength=size).reshape(2, -1),
            np.bincount(step, probability, minlength=size).reshape(2, -1),
        )

    def __add__(self, other: Expected) -> Expected:
        """Add the sums of other rows."""
        return Expected(self.rows_at + other.rows_at, self.positives_at + other.positives_at)

    @property
    def mean(self) -> float | None:
        """The mean probability of the positive class, of two."""
        if self.rows_at.shape[1] == 1:
            return None
        return float(self.positives_at.sum() / max(int(self.rows_at.sum()), 1))

    def scores(self) -> dict[str, float]:
        """Estimate the scores that the labels would give."""
        rows = int(self.rows_at.sum())
        if not rows:
            return {}
        if self.rows_at.shape[1] == 1:
            return {"accuracy": float(self.positives_at.sum() / rows)}
        positives = self.positives_at.sum(axis=1)
        negatives = self.rows_at.sum(axis=1) - positives
        found = of_confusion(np.array([negatives, positives]))
        right, left = self.positives_at.sum(axis=0), (self.rows_at - self.positives_at).sum(axis=0)
        pairs = right.sum() * left.sum()
        if not pairs:
            return found
        below = np.cumsum(left) - left / 2
        return {"roc_auc": float(right @ below / pairs), **found}
