"""A fitted pipeline and a way to score with it, without any tracking server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from steps.data.profile import profile
from steps.data.schema import Schema
from steps.model.pipeline import build_pipeline
from steps.scoring import drift, input_files, score_files
from steps.scoring.plan import Request
from steps.scoring.predictor import Predictor
from tests.conftest import DIABETES
from tests.data.tables import prepared

PREPARED = prepared(DIABETES, "Outcome")
TABLE, SCHEMA = PREPARED.table, PREPARED.schema
FRAME = TABLE.to_pandas()
FEATURES = list(SCHEMA.features)
BINS = drift.read_bins(profile(TABLE, 0, SCHEMA), SCHEMA)


def fit(schema: Schema = SCHEMA, labels: object = None, **parameters: Any) -> Pipeline:
    """Fit the project's pipeline on the diabetes table."""
    y = FRAME["Outcome"].to_numpy() if labels is None else labels
    return build_pipeline(schema, 42, **({"n_estimators": 3, "max_depth": 3} | parameters)).fit(
        FRAME[FEATURES], y
    )


PIPELINE = fit()

Score = Callable[..., score_files.ScoringResult]


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """Score `location` into `output`, as batch_score does."""

    def run(
        location: object, output: str = "predictions.csv", **request: Any
    ) -> score_files.ScoringResult:
        chosen = Request(tmp_path / output, **({"delimiter": ","} | request))
        files = input_files.find_files(str(location))
        return score_files.score_files(
            files, Predictor(PIPELINE, SCHEMA, 0.5), SCHEMA, chosen, BINS
        )

    return run


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Return rows like those of the diabetes table, target included."""
    random = np.random.default_rng(seed)
    drawn = pd.read_csv(DIABETES).iloc[random.integers(0, 768, count)].reset_index(drop=True)
    drawn["DiabetesPedigreeFunction"] = random.integers(50, 2500, count) / 1000
    return drawn


def expected(frame: pd.DataFrame) -> pd.DataFrame:
    """Score the notebook way: pandas and scikit-learn's own calls."""
    features = frame[FEATURES].astype("float64")
    return frame.assign(
        prediction=PIPELINE.predict(features), probability=PIPELINE.predict_proba(features)[:, 1]
    )


def read(path: Path) -> pd.DataFrame:
    """Read an output; pandas' usual parser is off by a bit now and then."""
    if path.is_dir() or path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, float_precision="round_trip")


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Compare two outputs value by value, in order."""
    pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_dtype=False)
