"""The report of a classifier of two classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.report import binary_figures, charts, sentences
from steps.report.calibration_figure import calibration
from steps.report.page import with_interval
from steps.report.task_part import TaskPart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.data.schema import Schema
    from steps.model.details import BinaryDetails
    from steps.model.evaluation import Evaluation


def part(evaluation: Evaluation, details: BinaryDetails, schema: Schema) -> TaskPart:
    """Draw and describe two classes."""
    threshold = f"{evaluation.threshold:.3g}"
    return TaskPart(
        template="binary.html.j2",
        predicted=f"{schema.target} = {schema.positive}",
        figures=_figures(evaluation, details),
        tiles=("roc_auc", "pr_auc", "f1", "brier"),
        findings=[
            sentences.how_positive(evaluation),
            *sentences.against_others(evaluation, details.folds),
            sentences.decisions(evaluation),
        ],
        note=(
            "For Brier score and log loss, lower is better. Precision, recall, F1 and accuracy "
            f"judge decisions: the model's at threshold {threshold}, the baselines' at 0.5."
        ),
        content={
            "threshold": threshold,
            "threshold_sentence": sentences.threshold_origin(evaluation),
        },
    )


def _figures(evaluation: Evaluation, details: BinaryDetails) -> dict[str, Figure]:
    truth, model = evaluation.truth, evaluation.model
    models = [model, *(evaluation.baselines[name] for name in sorted(evaluation.baselines))]
    return {
        "roc": binary_figures.roc(truth, models),
        "precision_recall": binary_figures.precision_recall(truth, models),
        "cross_validation": charts.cross_validation(
            binary_figures.UNIT_SCORES, details.folds, model.scores
        ),
        "calibration": calibration(
            truth,
            model.probability,
            ("predicted probability", "share that is positive"),
            f"Brier score {with_interval(model.scores['brier'])}",
        ),
        "confusion": binary_figures.confusion(truth, model, evaluation.classes),
        "thresholds": binary_figures.thresholds(
            details.cross_validated, details.held_out, model.threshold
        ),
    }
