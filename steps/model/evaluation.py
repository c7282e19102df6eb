"""Evaluate a trained model on rows it has not seen, for metrics, gate, figures and report."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import VotingClassifier, VotingRegressor

from steps.data.schema import BINARY, REGRESSION
from steps.model import bounded
from steps.model.baselines import RIDGE, TITLES, fit_baselines
from steps.model.bootstrap import Interval
from steps.model.conformal import Conformal, conformal
from steps.model.details import (
    BinaryDetails,
    Details,
    MulticlassDetails,
    RegressionDetails,
    Spread,
    class_scores,
    search_folds,
)
from steps.model.fitted_search import SearchSummary, summarize_search
from steps.model.importances import importances
from steps.model.metrics import DEFAULT_THRESHOLD, scores
from steps.model.task import Task, task_of
from steps.model.threshold import Curves, Rule, choose_threshold, curves, joined, out_of_fold

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.data.schema import Label, Schema


# Names of scikit-learn that are not words.
WORDS = {"HistGradientBoosting": "Histogram boosting", "Ridge": TITLES[RIDGE]}


@dataclass(frozen=True)
class Trained:
    """A model, the tables it was trained on and is tested on, and how it was searched for.

    `cv_results` is scikit-learn's `cv_results_`; `metric` the scorer that chose the model. Rows of
    one of the `groups` of the training rows are in one fold. `unseen` are the search's predictions
    of each fold's rows, if it has kept them.
    """

    estimator: Pipeline
    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema
    cv_results: Mapping[str, Any]
    metric: str
    cv_folds: int
    seed: int
    groups: np.ndarray | None = None
    unseen: tuple[np.ndarray, ...] | None = None

    @cached_property
    def task(self) -> Task:
        """The kind of target."""
        return task_of(self.schema, self.seed)

    @property
    def is_exact(self) -> bool:
        """Whether the table is small enough for an evaluation without shortcuts."""
        return bounded.is_exact(len(self.train) + len(self.test))


@dataclass(frozen=True)
class Scored:
    """A model's predictions of the held-out rows, and its scores.

    `predicted` is what the metrics take: the probability of the positive class (rows,), of each
    class (rows, classes), or numbers (rows,). `threshold` means something for two classes only.
    """

    title: str
    predicted: np.ndarray
    threshold: float
    scores: Mapping[str, Interval]

    @property
    def probability(self) -> np.ndarray:
        """The predictions, where they are probabilities."""
        return self.predicted


@dataclass(frozen=True)
class Evaluation:
    """All that is known about one trained model on its held-out rows.

    `truth` is what the metrics take: whether a row is positive, the position of its class, or its
    number. The `simple` baseline is the linear one; `gain` is the model's score `main` (ROC AUC,
    or R²) less that of the simple one, on the same rows. `rule` gave the threshold. A regression
    has a `conformal`. `averaged` names the models whose predictions the model averages, if it does.
    """

    task: Task
    truth: np.ndarray
    model: Scored
    baselines: Mapping[str, Scored]
    simple: str
    gain: Interval
    rule: Rule
    search: SearchSummary
    conformal: Conformal | None
    details: Details | None
    averaged: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of model in words, with all that it averages."""
        if not self.averaged:
            return self.model.title
        *most, last = map(str.lower, self.averaged)
        return f"Average of {', '.join(most)} and {last}"

    @property
    def classes(self) -> tuple[Label, ...]:
        """The classes in sort order; none where numbers are predicted."""
        return self.task.classes

    @property
    def main(self) -> str:
        """The metric of `gain` and of the baselines."""
        return self.task.main

    @property
    def threshold(self) -> float:
        """The probability from which a row is decided positive."""
        return self.model.threshold

    @property
    def interval_coverage(self) -> float | None:
        """The share of the held-out rows within their prediction interval of level 0.9."""
        if self.conformal is None:
            return None
        return self.conformal.coverage(self.truth, self.model.predicted)

    @property
    def metrics(self) -> dict[str, float]:
        """What is logged to the run."""
        logged = {}
        for name, interval in self.model.scores.items():
            logged[f"test_{name}"] = interval.value
            logged[f"test_{name}_low"] = interval.low
            logged[f"test_{name}_high"] = interval.high
        for name, baseline in self.baselines.items():
            logged[f"baseline_{name}_{self.main}"] = baseline.scores[self.main].value
        if self.interval_coverage is not None:
            logged["test_interval_coverage"] = self.interval_coverage
        return logged


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of the training rows, each by a model that was fitted without its fold."""

    truth: np.ndarray
    predicted: np.ndarray
    members: list[np.ndarray]

    @cached_property
    def curves(self) -> Curves:
        """Score the decisions between two classes at each threshold, over all rows."""
        return curves(self.truth, self.predicted)

    def scores(self, threshold: float) -> dict[str, Spread]:
        """Score each fold on its own; at 0.5 these are the search's scores of the candidate."""
        folds = [scores(self.truth[rows], self.predicted[rows], threshold) for rows in self.members]
        values = {name: np.array([fold[name] for fold in folds]) for name in folds[0]}
        return {name: Spread(float(v.mean()), float(v.std())) for name, v in values.items()}


def evaluate(trained: Trained, rule: Rule, *, details: bool) -> Evaluation:
    """Score the model and two baselines on the held-out rows.

    `rule` gives or chooses the threshold between two classes. Without `details` only what metrics
    and gate need is computed.
    """
    schema, seed, task = trained.schema, trained.seed, trained.task
    features = list(schema.features)
    truth = task.truth(trained.test[schema.target].to_numpy())

    # Fits a model for each fold: once, and only where it is asked for.
    unseen = cache(partial(_out_of_fold, trained))
    threshold = choose_threshold(rule, unseen().curves) if isinstance(rule, str) else rule

    def scored(title: str, estimator: Any, threshold: float) -> Scored:
        predicted = task.predict(estimator, trained.test[features])
        found = task.intervals(truth, predicted, threshold, seed, exact=trained.is_exact)
        return Scored(title, predicted, threshold, found)

    model = scored(title(trained.estimator), trained.estimator, threshold)
    fitted = fit_baselines(
        schema, trained.train[features], trained.train[schema.target].to_numpy(), seed
    )
    baselines = {
        name: scored(_other_than(model.title, TITLES[name]), baseline, DEFAULT_THRESHOLD)
        for name, baseline in fitted.items()
    }
    simple = baselines[list(fitted)[-1]]
    return Evaluation(
        task=task,
        truth=truth,
        model=model,
        baselines=baselines,
        simple=list(fitted)[-1],
        gain=task.difference(
            task.main,
            truth,
            (model.predicted, model.threshold),
            (simple.predicted, simple.threshold),
            seed,
            exact=trained.is_exact,
        ),
        rule=rule,
        search=summarize_search(trained.cv_results, trained.metric, trained.cv_folds),
        conformal=None if schema.classes else conformal(unseen().truth, unseen().predicted),
        details=_details(trained, truth, model, unseen) if details else None,
        averaged=members(trained.estimator),
    )


def _details(
    trained: Trained, truth: np.ndarray, model: Scored, unseen: Callable[[], OutOfFold]
) -> Details:
    schema = trained.schema
    rows = trained.test[list(schema.features)]
    labels = trained.test[schema.target].to_numpy()
    drops = importances(
        trained.task, trained.estimator, rows, labels, trained.seed, exact=trained.is_exact
    )
    if schema.task == BINARY:
        return BinaryDetails(
            folds=unseen().scores(model.threshold),
            importances=drops,
            cross_validated=unseen().curves,
            held_out=curves(truth, model.predicted),
        )
    folds = search_folds(summarize_search(trained.cv_results, trained.metric, trained.cv_folds))
    if schema.task == REGRESSION:
        return RegressionDetails(folds, drops)
    each, confusion = class_scores(truth, model.predicted, schema.classes)
    return MulticlassDetails(folds, drops, each, confusion)


def _out_of_fold(trained: Trained) -> OutOfFold:
    task, labels = trained.task, trained.train[trained.schema.target].to_numpy()
    # The folds of the search.
    splits = task.splits(labels, trained.cv_folds, trained.groups)
    if trained.unseen:
        predicted = joined(trained.unseen, splits)
    else:
        rows = trained.train[list(trained.schema.features)]
        predicted = out_of_fold(task, trained.estimator, rows, labels, splits)
    return OutOfFold(task.truth(labels), predicted, [members for _, members in splits])


def title(estimator: Pipeline) -> str:
    """Name the kind of model in words: `RandomForestClassifier` is a random forest."""
    if averaged := members(estimator):
        return f"Average of {len(averaged)} models"
    name = type(estimator[-1]).__name__.removesuffix("Classifier").removesuffix("Regressor")
    return WORDS.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def members(estimator: Pipeline) -> tuple[str, ...]:
    """Name the models whose predictions a model averages; () if it is a single one."""
    if not isinstance(estimator[-1], VotingClassifier | VotingRegressor):
        return ()
    return tuple(title(member) for _, member in estimator[-1].estimators)


def _other_than(taken: str, title: str) -> str:
    """Tell a baseline from a model of the same family."""
    return f"{title}, defaults" if title == taken else title
