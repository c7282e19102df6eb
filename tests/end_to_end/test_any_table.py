"""The chain on tables of other shapes: categories, many classes, numbers to predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_iris

from tests.conftest import PROJECT, RunStep

FAST = {"estimator": "hist_gradient_boosting", "grid": '{"clf__max_iter": [20]}', "jobs": 1}


def test_categories_and_a_positive_class_that_is_not_the_last(run_step: RunStep) -> None:
    credit = PROJECT / "data" / "credit-g.csv"
    ended = run_step("main", data=credit, target="class", positive="bad", report="false", **FAST)
    assert ended.code == 0, ended.err
    trained, scored = run_step("train", **FAST, report="false"), run_step("batch_score")
    scores = scored.run.data.metrics
    for name in ("roc_auc", "precision", "recall", "f1", "accuracy"):
        held_out = trained.run.data.metrics[f"test_{name}"]
        np.testing.assert_allclose(scores[f"scored_{name}"], held_out, atol=1e-12)
    rows = pd.read_csv("predictions.csv", keep_default_na=False)
    assert ((rows["probability"] > 0.5) == (rows["prediction"] == "bad")).all()


def test_three_classes_with_a_report(run_step: RunStep, tmp_path: Path) -> None:
    iris = load_iris(as_frame=True)
    table = iris.frame.drop(columns="target").assign(kind=iris.target_names[iris.target])
    table.to_parquet("iris.parquet")
    ended = run_step("main", data="iris.parquet", target="kind", probabilities="all", **FAST)
    assert ended.code == 0, ended.err
    rows = pd.read_csv("predictions.csv")
    shares = rows[[f"probability_{name}" for name in iris.target_names]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.idxmax(axis=1) == "probability_" + rows["prediction"]).all()
    assert "scored_balanced_accuracy" in ended.out


def test_dates_of_any_shape_are_scored_as_the_table_has_them(run_step: RunStep) -> None:
    day = pd.date_range("2024-01-01", periods=200)
    table = pd.DataFrame({"day": day.strftime("%Y-%m-%dT%H:%M:%SZ"), "x": np.arange(200) % 7})
    table["y"] = np.where(day.dayofweek < 5, "work", "rest")
    table.to_csv("table.csv", index=False)
    asked = {"data": "table.csv", "target": "y", "report": "false", **FAST}
    ended = run_step("main", **asked)
    assert ended.code == 0, ended.err
    rows = pd.read_csv("predictions.csv", parse_dates=["day"])
    assert [*rows] == ["day", "x", "y", "prediction", "probability"]
    # The user's own table gives the same, for the same days.
    assert run_step("batch_score", input="table.csv", output="all.csv").code == 0
    scored = pd.read_csv("all.csv")
    scored["day"] = pd.to_datetime(scored["day"]).dt.tz_localize(None)
    both = rows.merge(scored, on=["day", "x", "y"], suffixes=("", "_again"))
    assert len(both) == len(rows) == 50
    assert (both["probability"] == both["probability_again"]).all()


def test_numbers_to_predict_with_intervals(run_step: RunStep, tmp_path: Path) -> None:
    load_diabetes(as_frame=True).frame.to_parquet("diabetes.parquet")
    ended = run_step("main", data="diabetes.parquet", target="target", interval=0.9, **FAST)
    assert ended.code == 0, ended.err
    rows = pd.read_csv("predictions.csv")
    inside = rows["target"].between(rows["prediction_low"], rows["prediction_high"])
    assert 0.75 < inside.mean() <= 1
    scores = run_step("batch_score", interval=0.9).run.data.metrics
    assert scores["scored_interval_coverage"] == inside.mean()
