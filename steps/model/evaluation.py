"""Evaluate a trained model on rows it has not seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

from steps.model import bootstrap
from steps.model.baselines import LOGISTIC, TITLES, fit_baselines
from steps.model.evaluated import Candidate, Details, Evaluation, Scored, Search, Spread
from steps.model.importances import importances
from steps.model.scorers import PREDICT
from steps.model.scores import scores
from steps.model.threshold import Curves, Rule, choose, curves, out_of_fold

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from steps.data.schema import Schema


@dataclass(frozen=True)
class Trained:
    """A model, the tables it was trained on and is tested on, and how it was searched for.

    `cv_results` is scikit-learn's `cv_results_`; `metric` the score that chose the model.
    """

    estimator: Pipeline
    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema
    cv_results: Mapping[str, Any]
    metric: str
    cv_folds: int
    seed: int


def evaluate(trained: Trained, rule: Rule, *, details: bool) -> Evaluation:
    """Score the model and two baselines on the held-out rows.

    `rule` gives or chooses the threshold. Without `details` only what metrics and gate need is
    computed.
    """
    schema, seed = trained.schema, trained.seed
    features = list(schema.features)
    train_labels = trained.train[schema.target].to_numpy()
    test_labels = trained.test[schema.target].to_numpy()
    truth = test_labels == schema.positive

    folds: Folds | None = None
    if details or isinstance(rule, str):
        folds = _folds(trained, features, train_labels)
    threshold = rule if folds is None or not isinstance(rule, str) else choose(rule, folds.curves)

    def scored(title: str, estimator: Pipeline, threshold: float) -> Scored:
        probability = estimator.predict_proba(trained.test[features])[:, 1]
        found = bootstrap.intervals(truth, probability, threshold, seed)
        return Scored(title, probability, threshold, found)

    model = scored(title(trained.estimator), trained.estimator, float(threshold))
    fitted = fit_baselines(trained.estimator, trained.train[features], train_labels, seed)
    baselines = {name: scored(TITLES[name], fitted[name], PREDICT) for name in fitted}
    return Evaluation(
        truth=truth,
        classes=schema.classes,
        model=model,
        baselines=baselines,
        gain=difference("roc_auc", truth, model, baselines[LOGISTIC], seed),
        rule=rule,
        search=read_search(trained.cv_results, trained.metric, trained.cv_folds),
        details=None
        if folds is None or not details
        else Details(
            folds=folds.scores(float(threshold)),
            cross_validated=folds.curves,
            held_out=curves(truth, model.probability),
            importances=importances(trained.estimator, trained.test[features], test_labels, seed),
        ),
    )


def title(estimator: Pipeline) -> str:
    """Name the kind of model in words: `RandomForestClassifier` is a random forest."""
    name = type(estimator[-1]).__name__.removesuffix("Classifier").removesuffix("Regressor")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


@dataclass(frozen=True)
class Folds:
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
        found = [
            scores(self.truth[rows], self.probability[rows], threshold) for rows in self.members
        ]
        values = {name: np.array([fold[name] for fold in found]) for name in found[0]}
        return {name: Spread(float(v.mean()), float(v.std())) for name, v in values.items()}


def _folds(trained: Trained, features: list[str], labels: np.ndarray) -> Folds:
    rows = trained.train[features]
    # The folds of the search.
    splits = list(StratifiedKFold(trained.cv_folds).split(rows, labels))
    return Folds(
        truth=labels == trained.schema.positive,
        probability=out_of_fold(trained.estimator, rows, labels, splits),
        members=[members for _, members in splits],
    )


def difference(
    metric: str, truth: np.ndarray, ours: Scored, theirs: Scored, seed: int
) -> bootstrap.Interval:
    """Score of `ours` less that of `theirs`, with its interval."""
    return bootstrap.difference(
        metric,
        truth,
        (ours.probability, ours.threshold),
        (theirs.probability, theirs.threshold),
        seed,
    )


def read_search(cv_results: Mapping[str, Any], metric: str, folds: int) -> Search:
    """Read scikit-learn's `cv_results_`; candidates that failed have no score and are counted."""
    prefix = "mean_test_"
    metrics = [name.removeprefix(prefix) for name in cv_results if name.startswith(prefix)]
    candidates = [
        Candidate(
            params=params,
            mean={name: float(cv_results[f"mean_test_{name}"][position]) for name in metrics},
            std={name: float(cv_results[f"std_test_{name}"][position]) for name in metrics},
        )
        for position, params in enumerate(cv_results["params"])
    ]
    scored = tuple(found for found in candidates if np.isfinite(found.mean[metric]))
    return Search(
        metric=metric,
        folds=folds,
        candidates=scored,
        best=max(scored, key=lambda found: found.mean[metric]),
        failed=len(candidates) - len(scored),
    )
