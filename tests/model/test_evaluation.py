"""What an evaluation finds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from steps.data.schema import Schema
from steps.model.candidates import average
from steps.model.evaluation import Evaluation, Trained, evaluate, members, title
from steps.model.fitted_search import summarize_search
from steps.model.importances import importances
from steps.model.metrics import METRICS, SCORERS, scores
from steps.model.pipeline import build_pipeline
from steps.model.task import task_of
from steps.report import sentences
from tests.conftest import DIABETES
from tests.model.trained import train

LOGGED = {
    *(f"test_{name}{end}" for name in METRICS for end in ("", "_low", "_high")),
    *("baseline_majority_roc_auc", "baseline_logistic_roc_auc"),
}


def test_metrics_are_those_of_the_held_out_rows(trained: Trained) -> None:
    found = evaluate(trained, 0.5, details=False)
    features, target = list(trained.schema.features), trained.schema.target
    probability = trained.estimator.predict_proba(trained.test[features])[:, 1]
    expected = scores(trained.test[target].to_numpy() == 1, probability, 0.5)
    assert set(found.metrics) == LOGGED
    for name, value in expected.items():
        assert found.metrics[f"test_{name}"] == pytest.approx(value)
        assert found.metrics[f"test_{name}_low"] <= value <= found.metrics[f"test_{name}_high"]


def test_baselines(trained: Trained) -> None:
    found = evaluate(trained, 0.5, details=False)
    majority = found.baselines["majority"]
    assert np.ptp(majority.probability) == 0
    assert found.metrics["baseline_majority_roc_auc"] == 0.5
    assert found.metrics["baseline_logistic_roc_auc"] > 0.75
    gain = found.metrics["test_roc_auc"] - found.metrics["baseline_logistic_roc_auc"]
    assert found.gain.value == pytest.approx(gain)


SMALL: dict[str, list[object]] = {"clf__n_estimators": [3], "clf__max_depth": [3]}


@pytest.fixture(scope="module")
def numbers() -> Evaluation:
    return evaluate(train(SMALL), "f1", details=True)


@pytest.mark.parametrize("labels", [("neg", "pos"), (False, True), (3, 7)])
def test_labels_of_any_kind_give_the_same_scores(
    numbers: Evaluation, labels: tuple[object, object]
) -> None:
    frame = pd.read_csv(DIABETES)
    frame["Outcome"] = frame["Outcome"].map(dict(enumerate(labels)))
    found = evaluate(train(SMALL, frame), "f1", details=True)
    assert found.metrics == numbers.metrics
    assert found.threshold == numbers.threshold
    assert found.details is not None
    assert numbers.details is not None
    assert np.array_equal(found.details.importances.drops, numbers.details.importances.drops)


def test_findings_say_when_the_simpler_model_is_better(evaluation: Evaluation) -> None:
    assert evaluation.details is not None
    assert evaluation.gain.high < 0
    said = sentences.against_others(evaluation, evaluation.details.folds)
    assert any("the simpler model is better" in line for line in said)
    shown = sentences.how_positive(evaluation)
    assert shown.startswith("On 192 held-out rows, 67 of them positive")


def test_scores_over_the_folds_are_those_of_the_search(evaluation: Evaluation) -> None:
    best = evaluation.search.best
    assert evaluation.details is not None
    for name in SCORERS:
        spread = evaluation.details.folds[name]
        assert spread.mean == pytest.approx(best.mean[name], abs=1e-12)
        assert spread.std == pytest.approx(best.std[name], abs=1e-12)


def test_importances_are_those_of_the_whole_pipeline(
    trained: Trained, evaluation: Evaluation
) -> None:
    features = trained.test[list(trained.schema.features)]
    labels = trained.test[trained.schema.target].to_numpy()
    expected = permutation_importance(
        trained.estimator, features, labels, scoring="roc_auc", n_repeats=10, random_state=42
    )
    assert evaluation.details is not None
    found = evaluation.details.importances
    order = [list(features.columns).index(name) for name in found.features]
    assert found.drops == pytest.approx(expected.importances[order])


def test_importances_of_many_rows_and_features_take_a_sample_of_each_class() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(20_000, 60)), columns=[f"x{i}" for i in range(60)])
    labels = np.arange(20_000) < 8
    frame.loc[labels, "x7"] += 9
    schema = Schema(tuple(frame.columns), "y", (False, True), ())
    pipeline = build_pipeline(schema, 0)
    pipeline.set_params(clf__n_estimators=10, clf__max_features=None).fit(frame, labels)
    found = importances(task_of(schema, 0), pipeline, frame, labels, seed=0, exact=False)
    assert found.features[0] == "x7"
    assert np.isfinite(found.drops).all()
    assert found.drops.shape == (60, 5)


@pytest.mark.parametrize("share", [0.4, 0.02])
def test_importances_of_a_sample_are_off_by_three_hundredths_at_most(
    share: float,
) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(20_000, 3)), columns=["strong", "weak", "none"])
    value = 2 * frame["strong"] + frame["weak"] / 2 + random.normal(size=20_000)
    labels = (value > value.quantile(1 - share)).to_numpy()
    schema = Schema(tuple(frame.columns), "y", (False, True), ())
    pipeline = build_pipeline(schema, 0).set_params(clf__n_estimators=5, clf__max_depth=6)
    pipeline.fit(frame, labels)
    means = []
    for exact in (False, True):
        measured = importances(task_of(schema, 0), pipeline, frame, labels, seed=0, exact=exact)
        means.append(dict(zip(measured.features, measured.drops.mean(axis=1), strict=True)))
    sampled, of_all = means
    assert list(sampled) == list(of_all) == ["strong", "weak", "none"]
    assert sampled == pytest.approx(of_all, abs=0.03)
    assert sampled != of_all


def test_a_failed_candidate_is_counted_and_left_out(trained: Trained) -> None:
    results = {name: np.array(values, dtype=object) for name, values in trained.cv_results.items()}
    results["mean_test_roc_auc"][0] = np.nan
    search = summarize_search(results, "roc_auc", 5)
    assert (len(search.candidates), search.failed) == (3, 1)
    assert search.best.mean["roc_auc"] == max(c.mean["roc_auc"] for c in search.candidates)


def test_a_model_is_named_by_its_estimator(trained: Trained) -> None:
    assert title(trained.estimator) == "Random forest"
    other = Pipeline([("clf", HistGradientBoostingClassifier())])
    assert title(other) == "Histogram boosting"


def test_an_average_says_what_it_averages(trained: Trained) -> None:
    averaging = average(trained.schema, 0)
    assert title(averaging) == "Average of 4 models"
    assert members(averaging) == (
        *("Random forest", "Extra trees", "Histogram boosting", "Logistic regression"),
    )
