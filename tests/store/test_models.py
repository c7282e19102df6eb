"""A logged model needs nothing of this project, and no pickle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow.sklearn
import pytest
import yaml
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from steps.store import models
from tests.conftest import DIABETES, SMALL, RunStep
from tests.model.searches import make_case

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


def test_the_folder_is_the_one_that_mlflow_writes(tmp_path: Path) -> None:
    case = make_case()
    pipeline = case.work.unfitted({}).fit(case.work.features, case.work.labels)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    metadata = {"threshold": 0.5}
    models.save(pipeline, case.schema, metadata, "run", ours)
    mlflow.sklearn.save_model(
        pipeline,
        str(theirs),
        serialization_format="skops",
        skops_trusted_types=models.TRUSTED_TYPES,
        pip_requirements=(ours / "requirements.txt").read_text().splitlines(),
        signature=models.signature(case.schema),
        metadata=metadata,
        mlflow_model=Model(artifact_path=models.BEST_ESTIMATOR, run_id="run"),
    )
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    for name in ("requirements.txt", "conda.yaml", "python_env.yaml", "MLmodel"):
        mine, other = (yaml.safe_load((folder / name).read_text()) for folder in (ours, theirs))
        if name == "MLmodel":
            # An id and a time, and the size of an archive that holds object ids.
            for own in ("model_uuid", "utc_time_created", "model_size_bytes"):
                assert type(mine.pop(own)) is type(other.pop(own))
        assert mine == other, name
