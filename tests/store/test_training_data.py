"""The training data are described as MLflow's own `from_pandas` does."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset

from steps.store.training_data import training_data


@pytest.mark.parametrize("rows", [1, 10, 12_000])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.filterwarnings("ignore:The specified dataset source can be interpreted")
def test_equal_to_mlflows(rows: int, missing: bool) -> None:
    table = pd.DataFrame(
        np.random.default_rng(rows).normal(size=(rows, 3)), columns=["b", "a", "ü"]
    )
    if missing and rows > 1:
        table.loc[1, "a"] = np.nan
    source = resolve_dataset_source("data/table.csv")
    theirs = Dataset(**from_pandas(table, source=source, name="table.csv").to_dict())
    assert dict(training_data(table, "data/table.csv")) == dict(theirs)


@pytest.mark.parametrize(
    "location",
    [
        *("s3://bucket/rows/table.csv", "https://host/rows/table.csv", "gs://b/table.csv"),
        *("abfss://c@a.dfs.core.windows.net/table.csv", "azureml://datastores/d/paths/table.csv"),
        *("/rows/table.csv", "file:///rows/table.csv"),
    ],
)
@pytest.mark.parametrize("kind", ["float64", "object"])
@pytest.mark.filterwarnings("ignore:The specified dataset source can be interpreted")
def test_the_source_can_be_read_back(location: str, kind: str) -> None:
    described = training_data(pd.DataFrame({"a": [1.0, 2.0]}, dtype=kind), location)
    known = resolve_dataset_source(location)
    assert (described.source_type, described.source) == (
        known._get_source_type(),
        known.to_json(),
    )
    assert described.name == "table.csv"


def test_no_secret_of_an_address_is_recorded() -> None:
    location = "https://me:hunter2@host/rows/table.csv?sig=abc/def"
    described = training_data(pd.DataFrame({"a": [1.0]}), location)
    assert described.name == "table.csv"
    assert json.loads(described.source) == {"url": "https://***@host/rows/table.csv"}
