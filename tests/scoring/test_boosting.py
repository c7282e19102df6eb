"""Boosting on bins: to the last bit what scikit-learn predicts from numbers, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from steps.scoring.boosting import binned

RANDOM = np.random.default_rng(0)


def matrix(rows: int) -> np.ndarray:
    """Draw numbers of few and of many values, some of them missing."""
    found = np.column_stack([RANDOM.normal(size=rows), RANDOM.integers(0, 5, rows)])
    found[RANDOM.random(found.shape) < 0.1] = np.nan
    return found


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_bins_predict_what_numbers_do(classes: int) -> None:
    train = matrix(500)
    spread = np.nan_to_num(train).sum(axis=1)
    if classes:
        target = np.digitize(spread, np.quantile(spread, np.linspace(0, 1, classes + 1)[1:-1]))
        model = HistGradientBoostingClassifier(max_iter=9).fit(train, target)
    else:
        model = HistGradientBoostingRegressor(max_iter=9).fit(train, spread)
    quick = binned(model)
    assert quick is not None
    rows = np.vstack([train, matrix(500), [[np.inf, -np.inf], [np.nan, 9.0]]])
    if classes:
        np.testing.assert_array_equal(quick.predict_proba(rows), model.predict_proba(rows))
    else:
        np.testing.assert_array_equal(quick.predict(rows), model.predict(rows))
    # The model itself is as it was.
    assert not getattr(model, "_in_fit", False)


def test_what_may_differ_is_left_alone() -> None:
    train = matrix(500)
    target = np.nan_to_num(train).sum(axis=1)
    categories = HistGradientBoostingRegressor(max_iter=3, categorical_features=[1])
    assert binned(categories.fit(train, target)) is None
    other = HistGradientBoostingRegressor(max_iter=3).fit(train, target)
    # As if another version cut its bins elsewhere than the trees compare.
    other._bin_mapper.bin_thresholds_ = [
        edges + 1e-9 for edges in other._bin_mapper.bin_thresholds_
    ]
    assert binned(other) is None
