"""What the report's template is filled with: every number as the text a reader sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steps.model.bootstrap import resamples
from steps.model.metrics import METRICS
from steps.report import findings, search_view
from steps.report.figures_scores import MOST_IMPORTANCES, TITLES
from steps.report.findings import signed

if TYPE_CHECKING:
    from steps.data.schema import Schema
    from steps.model.evaluation import Details, Evaluation, Scored
    from steps.model.gate import Decision

MOST_FEATURES = 40


@dataclass(frozen=True)
class Origin:
    """What a report is about: the prepared data and the runs.

    `profile` is data/profile.json; `provenance` pairs names with run ids and the like.
    """

    schema: Schema
    profile: Mapping[str, Any]
    seed: int
    provenance: Mapping[str, str]


def models(evaluation: Evaluation) -> list[Scored]:
    """List the model and its baselines, the order of tables and curves."""
    baselines = evaluation.baselines
    return [evaluation.model, *(baselines[name] for name in sorted(baselines))]


def content(
    evaluation: Evaluation, details: Details, decision: Decision, origin: Origin
) -> dict[str, Any]:
    """Gather all that `report.html.j2` names, but for the figures."""
    schema, search = origin.schema, evaluation.search
    threshold = f"{evaluation.threshold:.3g}"
    return {
        "title": f"Predicting {schema.target} = {schema.positive}",
        "subtitle": f"A {evaluation.model.title.lower()} on {len(schema.features)} features, "
        f"trained on {origin.profile['rows']:,} rows",
        "decision": decision,
        "outcome": _outcome(decision),
        "tiles": _tiles(evaluation),
        "findings": findings.findings(evaluation, details.folds),
        "models": models(evaluation),
        "score_rows": _score_rows(evaluation, details),
        "rows_test": f"{len(evaluation.truth):,}",
        "threshold": threshold,
        "threshold_sentence": findings.threshold(evaluation),
        "search": search,
        "metric_title": TITLES.get(search.metric, search.metric),
        "candidates_count": f"{len(search.candidates):,}",
        "chosen": [
            (search_view.short(name), search_view.value_text(value))
            for name, value in search.best.params.items()
        ],
        "wide_search": search_view.is_wide(search),
        "candidates_note": search_view.candidates_note(search),
        "hyper_caption": search_view.caption(search),
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
            "name": TITLES[name],
            "value": f"{scores[name].value:.3f}",
            "range": f"{scores[name].low:.3f} to {scores[name].high:.3f}",
        }
        for name in ("roc_auc", "pr_auc", "f1", "brier")
    ]
    against = {
        "name": "ROC AUC vs. logistic",
        "value": signed(gain.value),
        "range": f"{signed(gain.low)} to {signed(gain.high)}",
    }
    return [tiles[0], against, *tiles[1:]]


def _score_rows(evaluation: Evaluation, details: Details) -> list[dict[str, Any]]:
    return [
        {
            "title": TITLES[name],
            "cross_validation": str(details.folds[name]),
            "cells": [model.scores[name] for model in models(evaluation)],
        }
        for name in METRICS
    ]


def _importances_note(features: int) -> str:
    most = MOST_IMPORTANCES
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
                "missing": f"{found['missing']:.1%}",
                "width": round(100 * found["missing"], 1),
                **{key: f"{found[key]:,.4g}" for key in ("mean", "std", "min", "max")},
            }
            for name, found in features[:MOST_FEATURES]
        ],
        "features_left": max(0, len(features) - MOST_FEATURES),
    }


def _shares(counts: list[int]) -> list[str]:
    return [f"{count:,} ({count / sum(counts):.1%})" for count in counts]
