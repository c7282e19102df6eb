"""Weekly tables like those of the reference data, scored without any tracking server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from steps.data.profile import profile
from steps.model.evaluation import Evaluation, Trained
from steps.model.reference import Reference, reference
from steps.scoring import drift, summary
from steps.scoring.bins import Bins
from steps.scoring.labels import Labels, Unknown
from steps.scoring.predictor import Predictor
from steps.scoring.rows import Predicted, Rows, Selection
from steps.scoring.score_files import ScoringResult
from steps.scoring.stream import Scorer, Totals
from steps.scoring.windows import Window

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
ROWS = 200
Drifted = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Frame:
    """A chunk that is decoded already."""

    frame: pd.DataFrame
    file: str = "week"

    def decode(self, selection: Selection) -> Rows:
        features = [
            self.frame[name].to_numpy(dtype=float).copy() for name in selection.schema.features
        ]
        labels = None
        if selection.target:
            actual = self.frame[selection.target].to_numpy()
            classes = selection.schema.classes
            places = np.searchsorted(np.array(classes), actual) if classes else actual
            labels = Labels(places, Unknown())
        return Rows(features, None, None, labels, len(self.frame))


class Nowhere:
    """A sink that keeps nothing."""

    path = Path("nowhere")

    def encode(self, rows: Rows, predicted: Predicted) -> Any:
        return rows

    def write(self, encoded: Any) -> int:
        return len(encoded)


@dataclass(frozen=True)
class Weeks:
    """Scores the tables of weeks with one model."""

    trained: Trained
    evaluation: Evaluation

    @cached_property
    def reference(self) -> Reference:
        return reference(self.evaluation, self.trained)

    @cached_property
    def bins(self) -> tuple[Bins, ...]:
        table = pa.Table.from_pandas(self.trained.train, preserve_index=False)
        return drift.read_bins(profile(table, 0, self.trained.schema), self.trained.schema)

    @cached_property
    def predictor(self) -> Predictor:
        return Predictor(self.trained.estimator, self.trained.schema, self.evaluation.threshold)

    def window(
        self, frame: pd.DataFrame, week: int = 0, *, labelled: bool = True, **tags: str
    ) -> Window:
        """Score a table; give what the run would have recorded."""
        schema = self.trained.schema
        selection = Selection(schema, (), schema.target if labelled else None)
        totals = Totals()
        part = Scorer(self.predictor, selection, self.bins)(Frame(frame), Nowhere())
        totals.add(part, len(frame))
        drifts = drift.compare(totals.drift, self.bins)
        result = ScoringResult(schema.classes, totals, "", 1.0, drifts)
        record = summary.watched(result, self.reference)
        at = int((FIRST + timedelta(weeks=week)).timestamp() * 1000)
        return Window.of(
            f"run{week:04d}", at, record.metrics, {"model.run_id": "trained", **record.tags, **tags}
        )

    def draw(self, random: np.random.Generator, rows: int = ROWS) -> pd.DataFrame:
        """Draw rows of the whole table with replacement."""
        whole = pd.concat([self.trained.train, self.trained.test])
        return whole.iloc[random.integers(0, len(whole), rows)].reset_index(drop=True)

    def year(
        self,
        seed: int,
        change: Drifted | None = None,
        onset: int = 52,
        *,
        weeks: int = 52,
        labelled: bool = True,
        rows: int = ROWS,
    ) -> list[Window]:
        """Score weekly tables, changed from the week `onset` on."""
        random = np.random.default_rng(seed)
        windows = []
        for week in range(weeks):
            frame = self.draw(random, rows)
            if change is not None and week >= onset:
                frame = change(frame, random)
            windows.append(self.window(frame, week, labelled=labelled))
        return windows
