"""Finding runs in a store."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from steps.base.errors import StepError
from steps.store import runs


def test_a_damaged_file_store_is_one_error(tmp_path: Path) -> None:
    with mlflow.start_run() as active:
        mlflow.set_tag(runs.STEP, "train")
        mlflow.log_metric("score", 1)
    [metric] = tmp_path.glob(f"mlruns/*/{active.info.run_id}/metrics/score")
    metric.write_text("")
    with pytest.raises(StepError, match=r"damaged one \(Metric 'score' .* use a database"):
        next(runs.finished(MlflowClient(), active.info.experiment_id, "train"))
