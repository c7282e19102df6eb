"""The linear baseline of a large table learns from a sample of its rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from steps.data.schema import Schema
from steps.model import baselines
from steps.model.baselines import LOGISTIC, MOST_ROWS, fit_baselines
from steps.model.estimators import LINEAR
from steps.model.pipeline import build_pipeline

COLUMNS = ("a", "b", "c")


def test_a_sample_tells_as_much() -> None:
    random = np.random.default_rng(0)
    rows = MOST_ROWS + 70_000
    features = pd.DataFrame(random.normal(size=(rows, 3)), columns=COLUMNS)
    signal = features["a"] - features["b"] / 2
    labels = np.where(signal + random.normal(size=rows) * 3 > 4, "yes", "no")
    schema = Schema(COLUMNS, "target", ("no", "yes"), ())
    train, test = slice(0, MOST_ROWS + 50_000), slice(MOST_ROWS + 50_000, rows)

    sampled = fit_baselines(schema, features.iloc[train], labels[train], 0)[LOGISTIC]
    whole = build_pipeline(schema, 0, LINEAR).fit(features.iloc[train], labels[train])
    areas = [
        roc_auc_score(labels[test] == "yes", model.predict_proba(features.iloc[test])[:, 1])
        for model in (sampled, whole)
    ]
    assert abs(areas[0] - areas[1]) < 0.002


def test_a_rare_class_is_in_the_sample() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "rare"], [MOST_ROWS, 50_000, 2])
    features = pd.DataFrame(random.normal(size=(len(labels), 1)), columns=["a"])
    assert set(labels[baselines._sample(labels, True, 0)]) == {"a", "b", "rare"}
    assert len(baselines._sample(features["a"].to_numpy(), False, 0)) == MOST_ROWS
