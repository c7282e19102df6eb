"""The files that hold the prepared data, and the metrics that a preprocess run records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from steps.base.record import Record, metric_name
from steps.data.profile import missing_values, profile
from steps.data.schema import BINARY, REGRESSION

if TYPE_CHECKING:
    from steps.data.decisions import Decisions
    from steps.data.schema import Schema

DATA = "data"
TRAIN, TEST, SCHEMA, PROFILE = "train.parquet", "test.parquet", "schema.json", "profile.json"
DECISIONS = "decisions.json"


def write_split(
    train: pa.Table, test: pa.Table, schema: Schema, decisions: Decisions, folder: Path
) -> tuple[Path, ...]:
    """Write both parts, the schema, the profile and the decisions to `folder`."""
    for name, part in ((TRAIN, train), (TEST, test)):
        # A category's dictionary depends on the other part too, so write plain text instead.
        plain = pa.schema(
            pa.field(each.name, pa.string() if pa.types.is_dictionary(each.type) else each.type)
            for each in part.schema
        )
        pa.parquet.write_table(part.cast(plain), folder / name)
    texts = {
        SCHEMA: schema.to_json(),
        PROFILE: json.dumps(profile(train, len(test), schema), indent=2),
        DECISIONS: decisions.to_json(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return tuple(folder / name for name in (TRAIN, TEST, *texts))


def record(train: pa.Table, test: pa.Table, schema: Schema) -> Record:
    """Decide the metrics of a preprocess run; `missing.<column>` counts rows of both parts."""
    metrics = {
        "rows": float(len(train) + len(test)),
        "rows_train": float(len(train)),
        "rows_test": float(len(test)),
    }
    parts = [part.column(schema.target) for part in (train, test)]
    if schema.task == BINARY:
        positive = sum(int(np.sum(part.to_numpy() == schema.positive)) for part in parts)
        metrics["positive_rate"] = positive / metrics["rows"]
    if schema.task == REGRESSION:
        values = np.concatenate([part.to_numpy() for part in parts])
        metrics |= {"target_mean": float(values.mean()), "target_std": float(values.std())}
    for name in schema.features:
        missing = sum(int(missing_values(part, schema, name).sum()) for part in (train, test))
        metrics[metric_name(f"missing.{name}")] = float(missing)
    return Record(metrics=metrics)
