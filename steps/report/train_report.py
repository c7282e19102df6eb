"""`report.html`: one file that says what a model is worth, and its figures as PNGs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.base.record import Record
from steps.model.bootstrap import resamples
from steps.model.details import BinaryDetails
from steps.model.metrics import METRICS
from steps.report import binary_figures, charts, search_figures, search_layout, sentences
from steps.report.page import metric_title, score, signed, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.data.schema import Schema
    from steps.model.bootstrap import Interval
    from steps.model.evaluation import Evaluation, Scored
    from steps.model.gate import Decision

NAME, PLOTS = "report.html", "plots"
MOST_FEATURES = 40
TILES = ("roc_auc", "pr_auc", "f1", "brier")


@dataclass(frozen=True)
class Origin:
    """What a report is about: the prepared data and the runs.

    `profile` is data/profile.json; `provenance` pairs names with run ids and the like.
    """

    schema: Schema
    profile: Mapping[str, Any]
    seed: int
    provenance: Mapping[str, str]


def write(folder: Path, evaluation: Evaluation, decision: Decision, origin: Origin) -> Record:
    """Write the report and its figures into `folder`; give what is to be logged."""
    details = evaluation.details
    if not isinstance(details, BinaryDetails):
        raise ValueError("the report needs the details of an evaluation of two classes")
    folder.mkdir(exist_ok=True)
    with charts.style():
        svg = charts.write_figures(_figures(evaluation, details), folder / PLOTS)
    page = folder / NAME
    filled = _content(evaluation, details, decision, origin)
    write_page(page, "report.html.j2", {**filled, "svg": {"hyper_parameters": "", **svg}})
    return Record(files=((page, ""), (folder / PLOTS, PLOTS)))


def _figures(evaluation: Evaluation, details: BinaryDetails) -> dict[str, Figure]:
    truth, model = evaluation.truth, evaluation.model
    figures = {
        "roc": binary_figures.roc(truth, _models(evaluation)),
        "precision_recall": binary_figures.precision_recall(truth, _models(evaluation)),
        "cross_validation": charts.cross_validation(
            binary_figures.UNIT_SCORES, details.folds, model.scores
        ),
        "calibration": binary_figures.calibration(truth, model),
        "confusion": binary_figures.confusion(truth, model, evaluation.classes),
        "thresholds": binary_figures.thresholds(
            details.cross_validated, details.held_out, model.threshold
        ),
        "importances": charts.importances(details.importances, "roc_auc"),
        "candidates": search_figures.candidates(evaluation.search),
    }
    varied = search_figures.hyper_parameters(evaluation.search)
    return figures if varied is None else {**figures, "hyper_parameters": varied}


def _models(evaluation: Evaluation) -> list[Scored]:
    baselines = evaluation.baselines
    return [evaluation.model, *(baselines[name] for name in sorted(baselines))]


def _content(
    evaluation: Evaluation, details: BinaryDetails, decision: Decision, origin: Origin
) -> dict[str, Any]:
    schema, search = origin.schema, evaluation.search
    threshold = f"{evaluation.threshold:.3g}"
    return {
        "title": f"Predicting {schema.target} = {schema.positive}",
        "subtitle": f"{evaluation.model.title} on {len(schema.features):,} features, "
        f"trained on {origin.profile['rows']:,} rows",
        "decision": decision,
        "outcome": _outcome(decision),
        "tiles": _tiles(evaluation),
        "findings": sentences.key_findings(evaluation, details.folds),
        "models": _models(evaluation),
        "score_rows": _score_rows(evaluation, details),
        "rows_test": f"{len(evaluation.truth):,}",
        "threshold": threshold,
        "threshold_sentence": sentences.threshold_origin(evaluation),
        "search": search,
        "metric_title": metric_title(search.metric),
        "candidates_count": f"{len(search.candidates):,}",
        "chosen": [
            (search_layout.short(name), search_layout.value_text(value))
            for name, value in search.best.params.items()
        ],
        "wide_search": search_layout.is_wide(search),
        "candidates_note": search_layout.candidates_note(search),
        "hyper_caption": search_layout.caption(search),
        "importances_note": _importances_note(len(details.importances.features)),
        "provenance": list(origin.provenance.items()),
        "resamples": resamples(len(evaluation.truth)),
        "seed": origin.seed,
        **_data(evaluation, origin),
    }


def _outcome(decision: Decision) -> str:
    text = "; ".join(decision.grounds)
    # After "Gate passed:" the sentence goes on, otherwise it starts here.
    return text if decision.gated else f"{text[:1].upper()}{text[1:]}"


def _tiles(evaluation: Evaluation) -> list[dict[str, str]]:
    scores, gain = evaluation.model.scores, evaluation.gain
    tiles = [
        {
            "name": metric_title(name),
            "value": score(scores[name].value),
            "range": _ends(scores[name], score),
        }
        for name in TILES
    ]
    against = {
        "name": "ROC AUC vs. logistic",
        "value": signed(gain.value),
        "range": _ends(gain, signed),
    }
    return [tiles[0], against, *tiles[1:]]


def _ends(interval: Interval, number: Callable[[float], str]) -> str:
    return f"{number(interval.low)} to {number(interval.high)}"


def _score_rows(evaluation: Evaluation, details: BinaryDetails) -> list[dict[str, Any]]:
    return [
        {
            "title": metric_title(name),
            "cross_validation": str(details.folds[name]),
            "cells": [model.scores[name] for model in _models(evaluation)],
        }
        for name in METRICS
    ]


def _importances_note(features: int) -> str:
    most = charts.MOST_IMPORTANCES
    return f" The {most} most important of {features:,} features." if features > most else ""


def _data(evaluation: Evaluation, origin: Origin) -> dict[str, Any]:
    profile, classes = origin.profile, [str(label) for label in evaluation.classes]
    positives = int(evaluation.truth.sum())
    held_out = [len(evaluation.truth) - positives, positives]
    train = [profile["classes"][label] for label in classes]
    features = sorted(profile["features"].items(), key=lambda item: -item[1]["missing"])
    return {
        "target": origin.schema.target,
        "classes": classes,
        "split_rows": [
            {"name": name, "rows": f"{sum(counts):,}", "classes": _shares(counts)}
            for name, counts in (("training", train), ("held-out", held_out))
        ],
        "feature_rows": [
            {
                "name": name,
                "missing": f"{values['missing']:.1%}",
                "width": round(100 * values["missing"], 1),
                **{key: f"{values[key]:,.4g}" for key in ("mean", "std", "min", "max")},
            }
            for name, values in features[:MOST_FEATURES]
        ],
        "features_left": max(0, len(features) - MOST_FEATURES),
    }


def _shares(counts: list[int]) -> list[str]:
    return [f"{count:,} ({count / sum(counts):.1%})" for count in counts]
