"""`report.html`: one file that says what a model is worth, and its figures as PNGs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.base.record import Record
from steps.model import resampled, row_bootstrap
from steps.model.bounded import is_exact
from steps.model.details import BinaryDetails, MulticlassDetails
from steps.report import (
    binary_part,
    charts,
    data_section,
    multiclass_part,
    regression_part,
    search_figures,
    search_layout,
)
from steps.report.page import (
    REPORT,
    metric_title,
    signed,
    spread,
    write_page,
    writer,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.model.bootstrap import Interval
    from steps.model.details import Details
    from steps.model.evaluation import Evaluation, Scored
    from steps.model.gate import Decision
    from steps.report.origin import Origin
    from steps.report.task_part import TaskPart

NAME, PLOTS = REPORT, "plots"


def write(folder: Path, evaluation: Evaluation, decision: Decision, origin: Origin) -> Record:
    """Write the report and its figures into `folder`; give what is to be logged."""
    details = evaluation.details
    if details is None:
        raise ValueError("the report needs the details of an evaluation")
    folder.mkdir(exist_ok=True)
    with charts.style():
        part = _part(evaluation, details, origin)
        figures = {**part.figures, **_common_figures(evaluation, details)}
        svg = charts.write_figures(figures, folder / PLOTS)
    page = folder / NAME
    filled = _content(evaluation, details, decision, origin, part)
    write_page(page, part.template, {**filled, "svg": svg})
    return Record(files=((page, ""), (folder / PLOTS, PLOTS)))


def _part(evaluation: Evaluation, details: Details, origin: Origin) -> TaskPart:
    if isinstance(details, BinaryDetails):
        return binary_part.part(evaluation, details, origin.schema)
    if isinstance(details, MulticlassDetails):
        return multiclass_part.part(evaluation, details, origin.schema, origin.profile["classes"])
    return regression_part.part(evaluation, details, origin.schema)


def _common_figures(evaluation: Evaluation, details: Details) -> dict[str, Figure]:
    figures = {
        "importances": charts.importances(details.importances, evaluation.main),
        "candidates": search_figures.candidates(evaluation.search),
    }
    varied = search_figures.hyper_parameters(evaluation.search)
    return figures if varied is None else {**figures, "hyper_parameters": varied}


def _models(evaluation: Evaluation) -> list[Scored]:
    baselines = evaluation.baselines
    others = [name for name in baselines if name != evaluation.simple]
    return [evaluation.model, *(baselines[name] for name in (evaluation.simple, *others))]


def _content(
    evaluation: Evaluation,
    details: Details,
    decision: Decision,
    origin: Origin,
    part: TaskPart,
) -> dict[str, Any]:
    schema, search = origin.schema, evaluation.search
    return {
        "title": f"Predicting {part.predicted}",
        "subtitle": f"{evaluation.kind} on {len(schema.features):,} features, "
        f"trained on {origin.profile['rows']:,} rows",
        "facts": origin.facts,
        "decision": decision,
        "outcome": _outcome(decision),
        "tiles": _tiles(evaluation, part.tiles),
        "findings": part.findings,
        "models": _models(evaluation),
        "score_rows": _score_rows(evaluation, details),
        "scores_note": part.note,
        "regression": not evaluation.classes,
        "rows_test": f"{len(evaluation.truth):,}",
        "search": search,
        "metric_title": metric_title(search_layout.metric_of(search)),
        "main_title": metric_title(evaluation.main),
        "candidates_count": f"{len(search.candidates):,}",
        "chosen": [
            (search_layout.short(name), search_layout.value_text(value))
            for name, value in search.best.params.items()
        ],
        "wide_search": search_layout.is_wide(search),
        "candidates_note": search_layout.candidates_note(search),
        "hyper_caption": search_layout.caption(search),
        "importances_note": _importances_note(len(details.importances.features)),
        "provenance": [
            (name, text, origin.links.get(name, "")) for name, text in origin.provenance.items()
        ],
        "intervals": _intervals(evaluation, origin.profile["rows"] + len(evaluation.truth)),
        "seed": origin.seed,
        **data_section.content(evaluation, origin),
        **part.content,
    }


def _outcome(decision: Decision) -> str:
    text = "; ".join(decision.grounds)
    # After "Gate passed:" the sentence goes on, otherwise it starts here.
    return text if decision.gated else f"{text[:1].upper()}{text[1:]}"


def _tiles(evaluation: Evaluation, names: tuple[str, ...]) -> list[dict[str, str]]:
    scores, gain = evaluation.model.scores, evaluation.gain
    tiles = [
        {
            "name": metric_title(name),
            "value": writer(name)(scores[name].value),
            "range": _ends(scores[name], writer(name)),
        }
        for name in names
    ]
    against = {
        "name": f"{metric_title(evaluation.main)} vs. {evaluation.simple}",
        "value": signed(gain.value),
        "range": _ends(gain, signed),
    }
    return [tiles[0], against, *tiles[1:]]


def _ends(interval: Interval, number: Callable[[float], str]) -> str:
    return f"{number(interval.low)} to {number(interval.high)}"


def _score_rows(evaluation: Evaluation, details: Details) -> list[dict[str, Any]]:
    return [
        {
            "title": metric_title(name),
            "number": writer(name),
            "cross_validation": spread(details.folds[name], writer(name)),
            "cells": [model.scores[name] for model in _models(evaluation)],
        }
        for name in evaluation.task.metrics
    ]


def _importances_note(features: int) -> str:
    most = charts.MOST_IMPORTANCES
    return f" The {most} most important of {features:,} features." if features > most else ""


def _intervals(evaluation: Evaluation, rows_of_table: int) -> str:
    """Say what the intervals rest on."""
    rows, classes = len(evaluation.truth), len(evaluation.classes)
    if classes > 2:
        return (
            "the variance of ROC AUC (DeLong's) and of the log loss over the held-out rows within "
            "their class, and counts of decisions drawn again within each class"
        )
    if not classes:
        return f"{row_bootstrap.number(rows):,} bootstrap resamples of the held-out rows"
    if not is_exact(rows_of_table):
        return (
            "the variance of each score over the held-out rows within their class (DeLong's for "
            "ROC AUC), for PR AUC from bootstrap resamples of groups of rows"
        )
    # Equal rows are drawn as one, so there may be fewer to draw from, and more resamples.
    fewest, most = resampled.number(rows), resampled.RESAMPLES
    told = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"{told} stratified bootstrap resamples of the held-out rows"
