"""A logged model needs nothing of this project, and no pickle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import DIABETES, SMALL, RunStep

ELSEWHERE = """
import sys
sys.modules["steps"] = None  # importing it raises, installed or not
import mlflow, pandas as pd
uri, table = sys.argv[1:]
features = pd.read_csv(table).drop(columns="Outcome").astype("float64").head(5)
features.iloc[0] = float("nan")
by_sklearn = mlflow.sklearn.load_model(uri).predict(features)
by_pyfunc = mlflow.pyfunc.load_model(uri).predict(features)
assert list(by_sklearn) == list(by_pyfunc)
print(len(by_pyfunc))
"""


@pytest.mark.slow
def test_loads_where_there_are_no_steps(run_step: RunStep, tmp_path: Path) -> None:
    trained = run_step("train", **SMALL)
    (tmp_path / "elsewhere").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, f"runs:/{trained.id}/best_estimator", str(DIABETES)],
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "5\n"


def test_no_pickle_in_the_model(run_step: RunStep, tmp_path: Path) -> None:
    trained = run_step("train", **SMALL)
    folder = Path(MlflowClient().download_artifacts(trained.id, "best_estimator", str(tmp_path)))
    assert {path.name for path in folder.iterdir()} == {
        "MLmodel", "conda.yaml", "model.skops", "python_env.yaml", "requirements.txt",
    }  # fmt: skip
