"""Evaluate a trained model on rows it has not seen, for metrics, gate, figures and report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.model import bootstrap
from steps.model.bootstrap import Interval
from steps.model.fitted_search import SearchSummary, summarize_search
from steps.model.importances import Importances, importances
from steps.model.metrics import DEFAULT_THRESHOLD, scores
from steps.model.task import BASELINE_TITLES, LOGISTIC, task_of
from steps.model.threshold import Curves, Rule, choose_threshold, curves, joined, out_of_fold

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.data.schema import Label, Schema


@dataclass(frozen=True)
class Trained:
    """A model, the tables it was trained on and is tested on, and how it was searched for.

    `cv_results` is scikit-learn's `cv_results_`; `metric` the score that chose the model.
    `unseen` are the search's predictions of each fold's rows, if it has kept them.
    """

    estimator: Pipeline
    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema
    cv_results: Mapping[str, Any]
    metric: str
    cv_folds: int
    seed: int
    unseen: tuple[np.ndarray, ...] | None = None


@dataclass(frozen=True)
class Scored:
    """A model's probabilities of the held-out rows, its threshold, and its scores."""

    title: str
    probability: np.ndarray
    threshold: float
    scores: Mapping[str, Interval]


@dataclass(frozen=True)
class Spread:
    """Mean and deviation of a score over the folds."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.std:.3f}"


@dataclass(frozen=True)
class Details:
    """What only the report needs.

    `folds` has every metric's score over the folds, with decisions at the model's threshold.
    """

    folds: Mapping[str, Spread]
    cross_validated: Curves
    held_out: Curves
    importances: Importances


@dataclass(frozen=True)
class Evaluation:
    """All that is known about one trained model on its held-out rows.

    `gain` is the model's ROC AUC less that of the logistic regression, on the same rows.
    """

    truth: np.ndarray
    classes: tuple[Label, ...]
    model: Scored
    baselines: Mapping[str, Scored]
    gain: Interval
    rule: Rule
    search: SearchSummary
    details: Details | None

    @property
    def threshold(self) -> float:
        """The probability from which a row is decided positive."""
        return self.model.threshold

    @property
    def metrics(self) -> dict[str, float]:
        """What is logged to the run."""
        logged = {}
        for name, interval in self.model.scores.items():
            logged[f"test_{name}"] = interval.value
            logged[f"test_{name}_low"] = interval.low
            logged[f"test_{name}_high"] = interval.high
        for name, baseline in self.baselines.items():
            logged[f"baseline_{name}_roc_auc"] = baseline.scores["roc_auc"].value
        return logged


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of the training rows, each by a model that was fitted without its fold."""

    truth: np.ndarray
    probability: np.ndarray
    members: list[np.ndarray]

    @cached_property
    def curves(self) -> Curves:
        """Score the decisions at each threshold, over all rows."""
        return curves(self.truth, self.probability)

    def scores(self, threshold: float) -> dict[str, Spread]:
        """Score each fold on its own; at 0.5 these are the search's scores of the candidate."""
        folds = [
            scores(self.truth[rows], self.probability[rows], threshold) for rows in self.members
        ]
        values = {name: np.array([fold[name] for fold in folds]) for name in folds[0]}
        return {name: Spread(float(v.mean()), float(v.std())) for name, v in values.items()}


def evaluate(trained: Trained, rule: Rule, *, details: bool) -> Evaluation:
    """Score the model and two baselines on the held-out rows.

    `rule` gives or chooses the threshold. Without `details` only what metrics and gate need is
    computed.
    """
    schema, seed, task = trained.schema, trained.seed, task_of(trained.schema)
    features = list(schema.features)
    train_labels = trained.train[schema.target].to_numpy()
    test_labels = trained.test[schema.target].to_numpy()
    truth = task.truth(test_labels)

    # Fits a model for each fold: once, and only where it is asked for.
    unseen = cache(partial(_out_of_fold, trained))
    threshold = choose_threshold(rule, unseen().curves) if isinstance(rule, str) else rule

    def scored(title: str, estimator: Pipeline, threshold: float) -> Scored:
        probability = task.predict(estimator, trained.test[features])
        intervals = task.intervals(truth, probability, threshold, seed)
        return Scored(title, probability, threshold, intervals)

    model = scored(title(trained.estimator), trained.estimator, threshold)
    fitted = task.fit_baselines(trained.estimator, trained.train[features], train_labels, seed)
    baselines = {
        name: scored(BASELINE_TITLES[name], fitted[name], DEFAULT_THRESHOLD) for name in fitted
    }
    logistic = baselines[LOGISTIC]
    return Evaluation(
        truth=truth,
        classes=schema.classes,
        model=model,
        baselines=baselines,
        gain=bootstrap.difference(
            "roc_auc",
            truth,
            (model.probability, model.threshold),
            (logistic.probability, logistic.threshold),
            seed,
        ),
        rule=rule,
        search=summarize_search(trained.cv_results, trained.metric, trained.cv_folds),
        details=Details(
            folds=unseen().scores(threshold),
            cross_validated=unseen().curves,
            held_out=curves(truth, model.probability),
            importances=importances(trained.estimator, trained.test[features], test_labels, seed),
        )
        if details
        else None,
    )


def _out_of_fold(trained: Trained) -> OutOfFold:
    task = task_of(trained.schema)
    rows = trained.train[list(trained.schema.features)]
    labels = trained.train[trained.schema.target].to_numpy()
    # The folds of the search.
    splits = task.splits(labels, trained.cv_folds)
    return OutOfFold(
        truth=task.truth(labels),
        probability=joined(trained.unseen, splits)
        if trained.unseen
        else out_of_fold(task, trained.estimator, rows, labels, splits),
        members=[members for _, members in splits],
    )


def title(estimator: Pipeline) -> str:
    """Name the kind of model in words: `RandomForestClassifier` is a random forest."""
    name = type(estimator[-1]).__name__.removesuffix("Classifier").removesuffix("Regressor")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
