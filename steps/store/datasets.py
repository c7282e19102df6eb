"""The prepared data of a preprocess run, read back from its artifacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steps.data.prepared_files import DATA, PROFILE, SCHEMA, TEST, TRAIN
from steps.data.schema import Schema
from steps.store.artifacts import download

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ARTIFACTS = tuple(f"{DATA}/{name}" for name in (TRAIN, TEST, SCHEMA, PROFILE))


@dataclass(frozen=True)
class Dataset:
    """Training and test rows with their schema and profile."""

    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema
    profile: dict[str, Any]

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Give the feature columns of some rows: float64, and categories as objects with NaN."""
        return rows[list(self.schema.features)]

    def labels(self, rows: pd.DataFrame) -> np.ndarray:
        """Give the original labels of some rows."""
        labels: np.ndarray = rows[self.schema.target].to_numpy()
        return labels


def load(client: MlflowClient, run_id: str, folder: Path) -> Dataset:
    """Download the data of a preprocess run."""
    data = download(client, run_id, DATA, folder)
    schema = Schema.from_json((data / SCHEMA).read_text(encoding="utf-8"))
    return Dataset(
        train=_read(data / TRAIN, schema),
        test=_read(data / TEST, schema),
        schema=schema,
        profile=json.loads((data / PROFILE).read_text(encoding="utf-8")),
    )


def _read(path: Path, schema: Schema) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    for name in schema.categories:
        # scikit-learn's encoders take None and NaN for two categories, and NaN is the documented
        # missing value.
        texts = frame[name].astype(object)
        frame[name] = texts.where(texts.notna(), np.nan)
    return frame
