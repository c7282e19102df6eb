"""The prepared data of a preprocess run, read back from its artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steps.base.errors import StepError, first_line
from steps.data.decisions import Decisions
from steps.data.prepared_files import DATA, DECISIONS, PROFILE, SCHEMA, TEST, TRAIN
from steps.data.profile import read_profile
from steps.data.schema import Schema
from steps.store.artifacts import download

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ARTIFACTS = tuple(f"{DATA}/{name}" for name in (TRAIN, TEST, SCHEMA, PROFILE))


@dataclass(frozen=True)
class Dataset:
    """Training and test rows with their schema, their profile and the decisions about them."""

    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema
    profile: dict[str, Any]
    decisions: dict[str, Any]

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the feature columns of some rows: float64, and categories as objects with NaN."""
        return rows[list(self.schema.features)]

    def labels(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the original labels of some rows."""
        labels: np.ndarray = rows[self.schema.target].to_numpy()
        return labels

    def groups(self, rows: pd.DataFrame) -> np.ndarray | None:
        """Return the group of each row, or None if the rows were not split by group."""
        return rows[self.schema.group].to_numpy() if self.schema.group else None


def load(client: MlflowClient, run_id: str, folder: Path) -> Dataset:
    """Download the data of a preprocess run."""
    data = download(client, run_id, DATA, folder)
    try:
        schema = Schema.from_json((data / SCHEMA).read_text(encoding="utf-8"))
        return Dataset(
            train=_read(data / TRAIN, schema),
            test=_read(data / TEST, schema),
            schema=schema,
            profile=read_profile((data / PROFILE).read_text(encoding="utf-8"), schema),
            decisions=_decisions(data / DECISIONS),
        )
    # pyarrow's errors are ValueErrors and OSErrors.
    except (StepError, KeyError, ValueError, OSError) as error:
        raise StepError(
            f"expected whole files in {DATA} of the preprocess run {run_id}, found a damaged one "
            f"({first_line(error)}); run preprocess again (main: -P fresh=true)"
        ) from error


def _read(path: Path, schema: Schema) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    for name in schema.categories:
        # scikit-learn's encoders treat None and NaN as two categories; NaN is the documented
        # missing value.
        texts = frame[name].astype(object)
        frame[name] = texts.where(texts.notna(), np.nan)
    return frame


def _decisions(path: Path) -> dict[str, Any]:
    # Runs of version 0.1 have none.
    if not path.exists():
        return {}
    return Decisions.read(path.read_text(encoding="utf-8"))
