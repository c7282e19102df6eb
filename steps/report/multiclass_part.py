"""The report of a classifier of more than two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.report import charts, multiclass_figures, sentences
from steps.report.calibration_figure import calibration
from steps.report.multiclass_figures import MOST_CURVES, MOST_IN_MATRIX, MOST_IN_NARROW
from steps.report.page import NONE, score
from steps.report.task_part import TaskPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from steps.data.schema import Schema
    from steps.model.details import MulticlassDetails
    from steps.model.evaluation import Evaluation

MOST_CONFUSIONS = 10


@dataclass(frozen=True)
class Confusion:
    """Rows of one class predicted as another; `share` is their share of the class's rows."""

    actual: str
    predicted: str
    rows: int
    share: float


def part(
    evaluation: Evaluation,
    details: MulticlassDetails,
    schema: Schema,
    training_rows: Mapping[str, int],
) -> TaskPart:
    """Draw and describe many classes; `training_rows` are those of each."""
    confused = confusions(details)
    count = len(evaluation.classes)
    return TaskPart(
        template="multiclass.html.j2",
        predicted=schema.target,
        figures=_figures(evaluation, details),
        tiles=("roc_auc", "accuracy", "f1", "log_loss"),
        findings=[
            sentences.how_right(evaluation),
            *sentences.against_others(evaluation, details.folds),
            *sentences.classes_apart(details, confused[0] if confused else None),
        ],
        note=(
            "For log loss, lower is better. ROC AUC is the mean over the classes, each against "
            "all others. Precision, recall and F1 are means over the classes: a rare class counts "
            "as much as a frequent one."
        ),
        content={
            "class_rows": _class_rows(details, training_rows),
            "confusions": [
                {
                    "actual": one.actual,
                    "predicted": one.predicted,
                    "rows": f"{one.rows:,}",
                    "share": f"{one.share:.0%}",
                }
                for one in confused
            ],
            "wide_matrix": MOST_IN_NARROW < count <= MOST_IN_MATRIX,
            "with_matrix": count <= MOST_IN_MATRIX,
            "curves": f"The {MOST_CURVES} hardest of {count:,} classes. "
            if count > MOST_CURVES
            else "",
        },
    )


def confusions(details: MulticlassDetails) -> list[Confusion]:
    """List the pairs of classes that are confused most often."""
    wrong = details.confusion.copy()
    np.fill_diagonal(wrong, 0)
    largest = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = np.column_stack(np.unravel_index(largest, wrong.shape)).tolist()
    return [
        Confusion(
            actual=str(details.each[actual].label),
            predicted=str(details.each[predicted].label),
            rows=int(wrong[actual, predicted]),
            share=float(wrong[actual, predicted] / details.each[actual].rows),
        )
        for actual, predicted in pairs
        if wrong[actual, predicted]
    ]


def _figures(evaluation: Evaluation, details: MulticlassDetails) -> dict[str, Figure]:
    truth, predicted = evaluation.truth, evaluation.model.predicted
    labels = [str(label) for label in evaluation.classes]
    return {
        "roc": multiclass_figures.roc(truth, predicted, details.each),
        "calibration": calibration(
            predicted.argmax(axis=1) == truth,
            predicted.max(axis=1),
            ("probability of the predicted class", "share that is right"),
        ),
        "cross_validation": charts.cross_validation(
            multiclass_figures.UNIT_SCORES, details.folds, evaluation.model.scores
        ),
        "confusion": multiclass_figures.matrix(details.confusion, labels)
        if len(labels) <= MOST_IN_MATRIX
        else multiclass_figures.recalls(details.each),
    }


def _class_rows(
    details: MulticlassDetails, training_rows: Mapping[str, int]
) -> list[dict[str, Any]]:
    return [
        {
            "label": str(one.label),
            "training": f"{training_rows.get(str(one.label), 0):,}",
            "rows": f"{one.rows:,}",
            # Without any row of a class, only its precision is a number, and that is 0.
            "scores": [
                score(value) if one.rows and value is not None else NONE
                for value in (one.precision, one.recall, one.f1, one.roc_auc)
            ],
        }
        for one in details.each
    ]
