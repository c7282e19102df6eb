"""The keyword arguments of the steps as Python functions; written from the declared parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

# As on the command line, or the Python value: a list for values separated by commas, a mapping for
# a grid or a minimum, a date, None for `none`.
Value: TypeAlias = str | int | float | Path | date | Sequence[Any] | Mapping[str, Any] | None

# [[[cog
# from generate import reference
# cog.out(reference.options_of("preprocess", "data", "test_data"))
# cog.out(reference.options_of("train", "preprocess_run_id"))
# cog.out(reference.options_of("batch_score", "model", "input", "output"))
# cog.out(reference.options_of("monitor", "model", "labels"))
# cog.out("\n\n")
# ]]]


class PreprocessOptions(TypedDict, total=False):
    """Parameters of `preprocess`."""

    delimiter: Value
    encoding: Value
    decimal: Value
    missing: Value
    target: Value
    task: Value
    positive: Value
    features: Value
    drop: Value
    zero_as_missing: Value
    split: Value
    test_size: float
    seed: int


class TrainOptions(TypedDict, total=False):
    """Parameters of `train`."""

    estimator: Value
    n_estimators: Value
    max_depth: Value
    grid: Value
    search: Value
    n_iter: int
    metric: Value
    cv_folds: int
    seed: int
    jobs: int
    resume: bool
    scheduler: Value
    threshold: Value
    report: bool
    registered_model: Value
    minimum: Value
    must_beat: Value


class BatchScoreOptions(TypedDict, total=False):
    """Parameters of `batch_score`."""

    delimiter: Value
    keep: Value
    probabilities: Value
    interval: Value
    on_bad_rows: Value
    on_drift: Value
    drift_threshold: float
    log_predictions_up_to: float
    strict: bool
    scheduler: Value


class MonitorOptions(TypedDict, total=False):
    """Parameters of `monitor`."""

    runs: Value
    key: Value
    minimum: Value
    drift_threshold: float
    on_alert: Value


# [[[end]]]
