"""The training data as MLflow records it, without a walk through every value of the table.

`from_pandas` asks the type of each value in Python (`df.map(type)`) before it hashes the first
10,000 rows, and reads all rows again for the schema. Features are float64 here: nothing to ask.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset
from mlflow.types import ColSpec, DataType, Schema

from steps.base.secrets import masked
from steps.data.sources import scheme, without_secrets

if TYPE_CHECKING:
    from pandas import DataFrame

# As mlflow.data.digest_utils (3.15) has it: so many rows, and so many characters.
ROWS_HASHED, LENGTH = 10_000, 8


def training_data(features: DataFrame, table: str) -> Dataset:
    """Describe rows of a table as `from_pandas(...).to_dict()` does, digest included.

    `table` is the path or URI that they come from: name and source of the data set.
    """
    shown = masked(without_secrets(table))
    name, source = PurePath(shown).name or "table", source_of(shown)
    if not all(kind == np.float64 for kind in features.dtypes):
        # The source given here is a stand-in: MLflow makes those of files by their scheme only.
        described = from_pandas(features, source=CodeDatasetSource({}), name=name).to_dict()
        return Dataset(**described | source)
    # A column with missing values is one that need not be there, says MLflow.
    columns = Schema(
        [
            ColSpec(DataType.double, name, required=not features[name].isna().any())
            for name in features.columns
        ]
    )
    profile = {"num_rows": len(features), "num_elements": int(features.size)}
    return Dataset(
        name=name,
        digest=digest(features),
        **source,
        schema=json.dumps({"mlflow_colspec": columns.to_dict()}),
        profile=json.dumps(profile),
    )


def source_of(location: str) -> dict[str, str]:
    """Write a path or URI as MLflow's data set sources are written (mlflow 3.15)."""
    # A data asset, `azureml:<name>:<version>`, is no URI.
    kind = "azureml" if location.startswith("azureml:") else scheme(location)
    if kind in ("http", "https"):
        return {"source_type": "http", "source": json.dumps({"url": location})}
    local = kind in ("", "file")
    return {"source_type": "local" if local else kind, "source": json.dumps({"uri": location})}


def digest(features: DataFrame) -> str:
    """Hash the first rows, the number of rows and the names of numeric columns; hex digits."""
    first = features.head(ROWS_HASHED)
    # MLflow's union of column names sorts them.
    first = first[pd.Index([], dtype=object).union(first.columns).tolist()]
    hashed = hashlib.md5(usedforsecurity=False)
    hashed.update(pd.util.hash_pandas_object(first).to_numpy().tobytes())
    hashed.update(np.int64(len(features)).tobytes())
    for name in features.columns:
        hashed.update(str(name).encode())
    return hashed.hexdigest()[:LENGTH]
