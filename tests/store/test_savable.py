"""Every family is saved without pickle for every task; a grid that cannot be is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pytest
from mlflow.models import Model

from steps.base.errors import StepError
from steps.model.candidates import unfitted_pipelines
from steps.model.estimators import AVERAGE, FAMILIES
from steps.model.fitting import plan_work
from steps.model.grid import SearchSettings
from steps.model.task import task_of
from steps.store import models, savable
from tests.model import small_tables

ELSEWHERE = """
import sys
sys.modules["steps"] = None  # importing it raises, installed or not
import mlflow, numpy as np, pandas as pd
rows = pd.read_parquet("rows.parquet")
for path in sys.argv[1:]:
    predicted = np.load(path + "/predicted.npy", allow_pickle=False)
    by_sklearn = mlflow.sklearn.load_model(path).predict(rows)
    by_pyfunc = mlflow.pyfunc.load_model(path).predict(rows)
    assert list(by_sklearn) == list(by_pyfunc) == list(predicted), path
print(len(sys.argv) - 1)
"""


def fitted(task: str) -> dict[str, Any]:
    """Fit a small model of each family."""
    pipelines = unfitted_pipelines((*FAMILIES, AVERAGE), small_tables.schema(task), 0)
    for pipeline in pipelines.values():
        small = {
            name: 2
            for name in pipeline.get_params()
            if name.endswith("clf__n_estimators")
            or ("boosting" in name and name.endswith("clf__max_iter"))
        }
        pipeline.set_params(**small)
        pipeline.fit(small_tables.features(), small_tables.labels(task))
    return pipelines


@pytest.mark.slow
def test_models_load_elsewhere_without_pickle(tmp_path: Path) -> None:
    rows = small_tables.features(20)
    rows.loc[3, "kind"], rows.loc[4, "place"], rows.loc[5, "place"] = None, "new", np.nan
    rows.to_parquet(tmp_path / "rows.parquet")
    saved = []
    for task in small_tables.TASKS:
        schema = small_tables.schema(task)
        for name, pipeline in fitted(task).items():
            saved.append(f"{task}-{name}")
            mlflow.sklearn.save_model(
                pipeline,
                str(tmp_path / saved[-1]),
                serialization_format="skops",
                skops_trusted_types=models.TRUSTED_TYPES,
                signature=models.signature(schema),
                pip_requirements=["scikit-learn"],
                mlflow_model=Model(),
            )
            predicted = pipeline.predict(rows)
            plain = predicted.astype(str) if schema.classes else predicted
            np.save(tmp_path / saved[-1] / "predicted.npy", plain)
    ended = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *saved],
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{len(saved)}\n"


def check(grid: dict[str, list[Any]], family: str = "random_forest") -> None:
    schema = small_tables.schema("binary")
    metric = task_of(schema, 0).main
    settings = SearchSettings(grid, "grid", 1, 0, metric, 3, (family,))
    work = plan_work(settings, schema, small_tables.features(), small_tables.labels("binary"))
    savable.check(settings, work)


def test_a_grid_that_cannot_be_saved_is_refused() -> None:
    with pytest.raises(StepError, match=r"clf__categorical_features=.*functools.partial"):
        check({"clf__categorical_features": [None, [2]]}, "hist_gradient_boosting")
    with pytest.raises(StepError, match="what refers to itself"):
        check(
            {"clf__scoring": ["roc_auc"], "clf__early_stopping": [True]}, "hist_gradient_boosting"
        )


def test_a_grid_that_can_be_saved_passes() -> None:
    check({"fillna__columns_0": ["passthrough"], "clf__max_depth": [2, None]})
    check({"clf__monotonic_cst": [[1, 0, 0, 0, 0], None], "clf__class_weight": [{"yes": 2}]})
    # Whatever fails to be fitted is told by the search.
    check({"clf__criterion": ["no such"]})


def test_the_signature_tells_what_is_predicted() -> None:
    schema = small_tables.schema("multiclass")
    # Doubles as inputs would refuse whole numbers.
    assert models.signature(schema).inputs is None
    outputs = {task: models.signature(small_tables.schema(task)) for task in small_tables.TASKS}
    assert "string" in outputs["multiclass"].to_dict()["outputs"]
    assert "double" in outputs["regression"].to_dict()["outputs"]
    numbers = replace(schema, classes=(0, 1, 2))
    assert "long" in models.signature(numbers).to_dict()["outputs"]
