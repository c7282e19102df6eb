"""The training data as MLflow records it, without a walk through every value of the table.

`from_pandas` asks the type of each value in Python (`df.map(type)`) before it hashes the first
10,000 rows, and reads all rows again for the schema. Features are float64 here: nothing to ask.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset
from mlflow.types import ColSpec, DataType, Schema

if TYPE_CHECKING:
    from pandas import DataFrame

# As mlflow.data.digest_utils (3.15) has it: so many rows, and so many characters.
ROWS_HASHED, LENGTH = 10_000, 8


def training_data(features: DataFrame, tags: Mapping[str, str]) -> Dataset:
    """Describe a table as `from_pandas(...).to_dict()` does, digest included.

    `tags` are the run's: they are the source, as autolog has it.
    """
    if not all(kind == np.float64 for kind in features.dtypes):
        source = CodeDatasetSource(dict(tags))
        return Dataset(**from_pandas(features, source=source).to_dict())
    # A column with missing values is one that need not be there, says MLflow.
    columns = Schema(
        [
            ColSpec(DataType.double, name, required=not features[name].isna().any())
            for name in features.columns
        ]
    )
    described = MetaDataset(  # type: ignore[abstract]
        CodeDatasetSource(dict(tags)), name="dataset", digest=digest(features), schema=columns
    ).to_dict()
    profile = {"num_rows": len(features), "num_elements": int(features.size)}
    return Dataset(**described | {"profile": json.dumps(profile)})


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
