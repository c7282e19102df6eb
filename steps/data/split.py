"""The split into training and test rows, and the files that hold it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from steps.base.errors import StepError
from steps.base.record import Record, metric_name
from steps.data.profile import missing_values, profile

if TYPE_CHECKING:
    import pandas as pd

    from steps.data.schema import Schema

DATA = "data"
TRAIN, TEST, SCHEMA, PROFILE = "train.parquet", "test.parquet", "schema.json", "profile.json"


def split(
    frame: pd.DataFrame, schema: Schema, test_size: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the rows, stratified by class; both parts keep the order of the table."""
    # batch_score reads what was split, and its start need not wait for this.
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(frame))
    try:
        train, test = train_test_split(
            rows, test_size=test_size, random_state=seed, stratify=frame[schema.target]
        )
    except ValueError as error:
        raise _too_few(frame, test_size, str(error)) from error
    parts = frame.iloc[np.sort(train)], frame.iloc[np.sort(test)]
    # scikit-learn is content if a part is left without a rare class.
    for label in schema.classes:
        for name, part in zip(("training", "held-out"), parts, strict=True):
            if not (part[schema.target] == label).any():
                raise _too_few(frame, test_size, f"no {name} row is {schema.target}={label}")
    _check_present(parts[0], schema)
    return parts


def _too_few(frame: pd.DataFrame, test_size: float, reason: str) -> StepError:
    return StepError(
        f"expected enough rows of both classes to hold out test_size={test_size:g} of "
        f"{len(frame)} rows: {reason}"
    )


def _check_present(train: pd.DataFrame, schema: Schema) -> None:
    empty = [name for name in schema.features if missing_values(train, schema, name).all()]
    if not empty:
        return
    names = ", ".join(name or "a column without a name" for name in empty)
    nameless = " (does the header end with a delimiter?)" if "" in empty else ""
    raise StepError(
        f"expected some value of each feature in the training rows, found none of "
        f"{names}{nameless}; leave the column out of the table"
    )


def write_split(
    train: pd.DataFrame, test: pd.DataFrame, schema: Schema, folder: Path
) -> tuple[Path, ...]:
    """Write both parts, the schema and the profile to `folder`."""
    for name, part in ((TRAIN, train), (TEST, test)):
        table = pa.Table.from_pandas(part, preserve_index=False)
        # Without pandas' own metadata the bytes depend on the values only.
        pa.parquet.write_table(table.replace_schema_metadata(None), folder / name)
    (folder / SCHEMA).write_text(schema.to_json() + "\n", encoding="utf-8")
    summary = profile(train, len(test), schema)
    (folder / PROFILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return tuple(folder / name for name in (TRAIN, TEST, SCHEMA, PROFILE))


def record(frame: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, schema: Schema) -> Record:
    """Decide the metrics of a preprocess run; `missing.<column>` counts rows of the table."""
    missing = {
        metric_name(f"missing.{name}"): float(missing_values(frame, schema, name).sum())
        for name in schema.features
    }
    positive = frame[schema.target].to_numpy() == schema.positive
    counts = {"rows": len(frame), "rows_train": len(train), "rows_test": len(test)}
    return Record(metrics={**counts, "positive_rate": float(positive.mean()), **missing})
