"""The prepared data of a preprocess run, read back from its artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

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
    """Training and test rows with their schema, their profile and the decisions about them.

    `train_features` are columns of `train`, in the same memory.
    """

    train_features: pd.DataFrame
    train: pd.DataFrame
    test_file: Path
    schema: Schema
    profile: dict[str, Any]
    decisions: dict[str, Any]

    @cached_property
    def test(self) -> pd.DataFrame:
        """The held-out rows: read when they are asked for, which is after the search."""
        return read_rows(self.test_file, self.schema)[1]

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
        train_features, train = read_rows(data / TRAIN, schema)
        for _ in _batches(_open(data / TEST)):
            # A damaged file is to be found before a search, not after it.
            pass
        return Dataset(
            train_features=train_features,
            train=train,
            test_file=data / TEST,
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


def _open(path: Path) -> pa.parquet.ParquetFile:
    return pa.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)


def _batches(file: pa.parquet.ParquetFile) -> Iterator[pa.RecordBatch]:
    # One thread for each column would hold all of them twice.
    yield from file.iter_batches(use_threads=False)
    # Arrow keeps what it has read with for later.
    pa.default_memory_pool().release_unused()


def read_rows(path: Path, schema: Schema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read prepared rows: the features, and all columns; both share their memory.

    Numbers are written into their place batch by batch. Pandas' own reader holds Arrow's table
    beside its frame, and choosing columns of a frame copies them.
    """
    file = _open(path)
    kinds = {field.name: field.type for field in file.schema_arrow}
    numbers = [name for name in schema.features if kinds[name] == pa.float64()]
    block = np.empty((len(numbers), file.metadata.num_rows))
    others: dict[str, list[pa.Array]] = {name: [] for name in kinds if name not in set(numbers)}
    start = 0
    for batch in _batches(file):
        stop = start + len(batch)
        for row, name in zip(block, numbers, strict=True):
            row[start:stop] = batch.column(name).to_numpy(zero_copy_only=False)
        for name, pieces in others.items():
            pieces.append(batch.column(name))
        start = stop
    columns: dict[str, Any] = dict(zip(numbers, block, strict=True))
    for name, pieces in others.items():
        columns[name] = pa.chunked_array(pieces, kinds[name]).to_pandas()
        if name in schema.categories:
            # scikit-learn's encoders treat None and NaN as two categories; NaN is the documented
            # missing value.
            texts = columns[name].astype(object)
            columns[name] = texts.where(texts.notna(), np.nan)
    rows = pd.DataFrame({name: columns[name] for name in kinds}, copy=False)
    if len(numbers) == len(schema.features):
        # In one piece, which scikit-learn takes as it is.
        return pd.DataFrame(block.T, columns=numbers, copy=False), rows
    chosen = {name: columns[name] for name in schema.features}
    return pd.DataFrame(chosen, copy=False), rows


def _decisions(path: Path) -> dict[str, Any]:
    # Runs of version 0.1 have none.
    if not path.exists():
        return {}
    return Decisions.read(path.read_text(encoding="utf-8"))
