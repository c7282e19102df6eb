"""The report of a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.model.conformal import MEASURED
from steps.report import charts, regression_figures, sentences
from steps.report.page import ERRORS, amount
from steps.report.regression_figures import MOST_DOTS
from steps.report.task_part import TaskPart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.data.schema import Schema
    from steps.model.details import RegressionDetails
    from steps.model.evaluation import Evaluation


def part(evaluation: Evaluation, details: RegressionDetails, schema: Schema) -> TaskPart:
    """Draw and describe numbers."""
    width = _half_width(evaluation)
    return TaskPart(
        template="regression.html.j2",
        predicted=schema.target,
        figures=_figures(evaluation, details, schema.target),
        tiles=("r2", "mae", "rmse", "median_absolute_error"),
        findings=[
            sentences.how_near(evaluation),
            sentences.how_far_off(evaluation, schema.target),
            *sentences.against_others(evaluation, details.folds),
            *sentences.intervals(evaluation.interval_coverage, width),
        ],
        note=(
            f"Errors are in the unit of {schema.target}; lower is better. R² is the share of its "
            "variance that the model explains: 1 is perfect, 0 no better than the mean."
        ),
        content={
            "rows_drawn": "Each dot is a held-out row"
            if len(evaluation.truth) <= MOST_DOTS
            else "The stronger the shade, the more held-out rows",
            "half_width": "" if width is None else amount(width),
            "level": f"{MEASURED:.0%}",
        },
    )


def _half_width(evaluation: Evaluation) -> float | None:
    return None if evaluation.conformal is None else evaluation.conformal.half_width(MEASURED)


def _figures(evaluation: Evaluation, details: RegressionDetails, target: str) -> dict[str, Figure]:
    truth, predicted = evaluation.truth, evaluation.model.predicted
    figures = {
        "predicted": regression_figures.predicted_against_actual(truth, predicted),
        "residuals": regression_figures.residuals(truth, predicted),
        "errors": regression_figures.errors(truth, predicted, _half_width(evaluation)),
        "cross_validation": charts.cross_validation(
            ERRORS,
            details.folds,
            evaluation.model.scores,
            f"error, in the unit of {charts.shortened(target)}",
        ),
    }
    if evaluation.conformal is not None and evaluation.conformal.levels:
        figures["coverage"] = regression_figures.coverage(truth, predicted, evaluation.conformal)
    return figures
