"""`report.html`: one file that says what a model is worth, and its figures as PNGs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from steps.base.record import Record
from steps.report import charts as plots
from steps.report import figures_scores, figures_search, findings
from steps.report.content import Origin, content, models

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.model.evaluation import Details, Evaluation
    from steps.model.gate import Decision

NAME, PLOTS = "report.html", "plots"


def write(folder: Path, evaluation: Evaluation, decision: Decision, origin: Origin) -> Record:
    """Write the report and its figures into `folder`; give what is to be logged."""
    details = evaluation.details
    if details is None:
        raise ValueError("the report needs the details of the evaluation")
    folder.mkdir(exist_ok=True)
    with plots.style():
        figures = draw(evaluation, details)
        plots.save_all(figures, folder / PLOTS)
        svg = {
            name: plots.to_svg(figure, name.replace("_", " ")) for name, figure in figures.items()
        }
    filled = content(evaluation, details, decision, origin)
    filled["svg"] = {"hyper_parameters": "", **svg}
    page = folder / NAME
    page.write_text(render("report.html.j2", filled), encoding="utf-8")
    return Record(files=((page, ""), (folder / PLOTS, PLOTS)))


def draw(evaluation: Evaluation, details: Details) -> dict[str, Figure]:
    """Draw every figure of the report, by the name of its file."""
    truth, model = evaluation.truth, evaluation.model
    figures = {
        "roc": figures_scores.roc(truth, models(evaluation)),
        "precision_recall": figures_scores.precision_recall(truth, models(evaluation)),
        "cross_validation": figures_scores.cross_validation(details.folds, model.scores),
        "calibration": figures_scores.calibration(truth, model),
        "confusion": figures_scores.confusion(truth, model, evaluation.classes),
        "thresholds": figures_scores.thresholds(
            details.cross_validated, details.held_out, model.threshold
        ),
        "importances": figures_scores.importances(details.importances),
        "candidates": figures_search.candidates(evaluation.search),
    }
    varied = figures_search.hyper_parameters(evaluation.search)
    return figures if varied is None else {**figures, "hyper_parameters": varied}


def render(template: str, content: Mapping[str, Any]) -> str:
    """Fill a template; text is escaped, so a column's name cannot break the page."""
    return _templates().get_template(template).render(content)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = findings.signed
    return environment
