"""The training data are described as MLflow's own `from_pandas` does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset

from steps.store.training_data import training_data


@pytest.mark.parametrize("rows", [1, 10, 12_000])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema")
def test_equal_to_mlflows(rows: int, missing: bool) -> None:
    table = pd.DataFrame(
        np.random.default_rng(rows).normal(size=(rows, 3)), columns=["b", "a", "ü"]
    )
    if missing and rows > 1:
        table.loc[1, "a"] = np.nan
    tags = {"mlflow.user": "me"}
    theirs = Dataset(**from_pandas(table, source=CodeDatasetSource(tags)).to_dict())
    assert dict(training_data(table, tags)) == dict(theirs)
