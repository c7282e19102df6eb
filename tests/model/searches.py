"""A small search, and the same search in scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from steps.data.schema import Schema
from steps.model.fitting import CandidateResult, plan_work
from steps.model.fold_data import Work
from steps.model.grid import Grid, SearchSettings, common_prefix, forest_grid
from steps.model.search_loop import Span
from tests.conftest import DIABETES

ZERO = ("Glucose", "BloodPressure", "SkinThickness", "Insulin", "BMI")
LABELS: dict[str, tuple[Any, Any]] = {
    "int": (0, 1),
    "bool": (False, True),
    "str": ("no", "yes"),
}


@dataclass(frozen=True)
class Case:
    """One search: as this project describes it, and as scikit-learn does."""

    schema: Schema
    work: Work
    settings: SearchSettings

    def scikit_learn(self, **others: Any) -> GridSearchCV:
        """Return scikit-learn's version of the same search, unfitted."""
        return GridSearchCV(
            self.work.estimator,
            self.settings.grid,
            scoring=self.work.task.scoring,
            refit=self.settings.metric,
            cv=self.settings.folds,
            **others,
        )

    def with_grid(self, grid: Grid) -> Case:
        """Search another grid."""
        return replace(
            self,
            settings=replace(self.settings, grid=grid),
            work=replace(self.work, prefix=common_prefix(grid, "clf")),
        )


def make_case(kind: str = "int", folds: int = 3, metric: str = "roc_auc") -> Case:
    """Describe a search of the diabetes data, its labels of one kind or another."""
    table = pd.read_csv(DIABETES)
    features = table.drop(columns="Outcome").astype("float64")
    schema = Schema(tuple(features.columns), "Outcome", LABELS[kind], ZERO)
    labels = np.array(LABELS[kind], dtype=object if kind == "str" else None)[table["Outcome"]]
    settings = SearchSettings(forest_grid((1, 2), (2, 3)), "grid", 10, 42, metric, folds)
    return Case(schema, plan_work(settings, schema, features, labels), settings)


@dataclass
class Heard:
    """A listener that records every call."""

    started_at: dict[int, float] = field(default_factory=dict)
    spans: dict[int, Span] = field(default_factory=dict)
    results: dict[int, CandidateResult] = field(default_factory=dict)
    most_at_once: int = 0

    def started(self, index: int, at: float) -> None:
        """Count the candidates being fitted."""
        assert index not in self.started_at
        self.started_at[index] = at
        self.most_at_once = max(self.most_at_once, len(self.started_at) - len(self.results))

    def finished(self, index: int, result: CandidateResult, span: Span) -> None:
        """Keep the result."""
        assert index not in self.results
        self.results[index], self.spans[index] = result, span


def assert_same_results(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Compare two `cv_results_`: equal but for the times, in columns too."""
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        if name == "params":
            assert ours[name] == values
            continue
        assert type(ours[name]) is type(values), name
        assert ours[name].dtype == values.dtype, name
        np.testing.assert_array_equal(np.ma.getmask(ours[name]), np.ma.getmask(values), name)
        if "time" not in name:
            np.testing.assert_array_equal(ours[name], values, err_msg=name)


@pytest.fixture
def case() -> Case:
    """Return a search of four candidates."""
    return make_case()
