"""A logged model needs nothing of this project, and no pickle."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from steps.model.pipeline import build_pipeline
from steps.store import models
from tests.conftest import DIABETES
from tests.model import small_tables
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
def test_loads_where_there_are_no_steps(train_id: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, f"runs:/{train_id}/best_estimator", str(DIABETES)],
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "5\n"


def test_no_pickle_in_the_model(train_id: str, tmp_path: Path) -> None:
    folder = Path(MlflowClient().download_artifacts(train_id, "best_estimator", str(tmp_path)))
    assert {path.name for path in folder.iterdir()} == {
        "MLmodel", "conda.yaml", "input_example.json", "model.skops", "python_env.yaml",
        "requirements.txt", "serving_input_example.json",
    }  # fmt: skip


@pytest.mark.parametrize("task", small_tables.TASKS)
def test_rows_as_pandas_reads_them(task: str, tmp_path: Path) -> None:
    schema, rows = small_tables.schema(task), small_tables.features()
    pipeline = build_pipeline(schema, 0, n_estimators=3).fit(rows, small_tables.labels(task))
    example: dict[str, float | str | None] = {
        "number": 0.5,
        "zero": 1.0,
        "kind": "x",
        "place": None,
        "last": 2.0,
    }
    models.save(pipeline, schema, {"schema": asdict(schema)}, "1" * 32, tmp_path / "model", example)
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    shown = Model.load(tmp_path / "model").load_input_example(str(tmp_path / "model"))
    assert shown is not None
    assert list(model.predict(shown)) == list(pipeline.predict(pd.DataFrame([example])))
    # What `mlflow models predict -t csv` and a request hold: whole numbers, booleans, gaps.
    given = rows.head(40).assign(zero=rows["zero"].astype("int64"), number=7, last=True, extra="a")
    wanted = pipeline.predict(given.assign(number=7.0, last=1.0, zero=rows["zero"].head(40)))
    assert list(model.predict(given)) == list(wanted)
    assert list(model.predict(given.iloc[:, ::-1].assign(last=None))) == list(
        pipeline.predict(given.assign(number=7.0, last=np.nan, zero=rows["zero"].head(40)))
    )
    with pytest.raises(ValueError, match=r"columns are missing: .'kind'"):
        model.predict(given.drop(columns="kind"))


def test_the_folder_is_the_one_that_mlflow_writes(tmp_path: Path) -> None:
    case = make_case()
    pipeline = case.work.unfitted({}).fit(case.work.features, case.work.labels)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    metadata = {"threshold": 0.5}
    example = dict.fromkeys(case.schema.features) | {case.schema.features[0]: 1.5}
    models.save(pipeline, case.schema, metadata, "run", ours, example)
    mlflow.sklearn.save_model(
        pipeline,
        str(theirs),
        serialization_format="skops",
        skops_trusted_types=models.TRUSTED_TYPES,
        pip_requirements=(ours / "requirements.txt").read_text().splitlines(),
        signature=models.signature(case.schema),
        input_example=pd.DataFrame([example]),
        metadata=metadata,
        mlflow_model=Model(artifact_path=models.BEST_ESTIMATOR, run_id="run"),
    )
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    # YAML's reader reads JSON too.
    for name in {path.name for path in ours.iterdir()} - {"model.skops"}:
        mine, other = (yaml.safe_load((folder / name).read_text()) for folder in (ours, theirs))
        if name == "MLmodel":
            # An id and a time, and the size of an archive that holds object ids.
            for own in ("model_uuid", "utc_time_created", "model_size_bytes"):
                assert type(mine.pop(own)) is type(other.pop(own))
        assert mine == other, name
