"""Compute the details of an evaluation that only the report needs, by kind of target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steps.model import class_metrics
from steps.model.task import NEGATIVE

if TYPE_CHECKING:
    from steps.data.schema import Label
    from steps.model.fitted_search import SearchSummary
    from steps.model.importances import Importances
    from steps.model.threshold import Curves


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a score over the folds."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.std:.3f}"


@dataclass(frozen=True)
class BinaryDetails:
    """Details for two classes.

    `folds` holds every metric's score over the folds, with decisions at the model's threshold.
    """

    folds: Mapping[str, Spread]
    importances: Importances
    cross_validated: Curves
    held_out: Curves


@dataclass(frozen=True)
class ClassScores:
    """How well the model tells one class from all others; `rows` counts its held-out rows.

    `roc_auc` is None if there are no such rows.
    """

    label: Label
    rows: int
    precision: float
    recall: float
    f1: float
    roc_auc: float | None


@dataclass(frozen=True)
class MulticlassDetails:
    """Details for more classes: the scores of `each`, and `confusion` (actual, predicted)."""

    folds: Mapping[str, Spread]
    importances: Importances
    each: tuple[ClassScores, ...]
    confusion: np.ndarray


@dataclass(frozen=True)
class RegressionDetails:
    """Details for numbers; the figures use the evaluation's truth and predictions."""

    folds: Mapping[str, Spread]
    importances: Importances


Details = BinaryDetails | MulticlassDetails | RegressionDetails


def search_folds(search: SearchSummary) -> dict[str, Spread]:
    """Return the best candidate's scores over the search's folds, errors with their own sign."""
    best = search.best
    return {
        name.removeprefix(NEGATIVE): Spread(abs(mean), best.std[name])
        if name.startswith(NEGATIVE)
        else Spread(mean, best.std[name])
        for name, mean in best.mean.items()
    }


def class_scores(
    truth: np.ndarray, probability: np.ndarray, classes: tuple[Label, ...]
) -> tuple[tuple[ClassScores, ...], np.ndarray]:
    """Score each class, and compute the confusion matrix.

    `truth` holds positions of classes, `probability` is (rows, classes).
    """
    confusion = class_metrics.confusion_matrix(truth, probability.argmax(axis=1), len(classes))
    rows, own = confusion.sum(axis=1), class_metrics.of_each_class(confusion)
    areas = class_metrics.areas(truth, probability)
    each = tuple(
        ClassScores(
            label=label,
            rows=int(rows[position]),
            precision=float(own["precision"][position]),
            recall=float(own["recall"][position]),
            f1=float(own["f1"][position]),
            roc_auc=None if np.isnan(areas[position]) else float(areas[position]),
        )
        for position, label in enumerate(classes)
    )
    return each, confusion
