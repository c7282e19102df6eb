"""Scoring runs as windows of time: what each recorded, whoever recorded it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from steps.base.errors import StepError
from steps.model.interval import Interval
from steps.model.reference import Reference
from steps.scoring.summary import FEATURES, REFERENCE

PSI, UNSEEN = "drift.psi.", "drift.unseen."
SCORED, LATE, ESTIMATED = "scored_", "late_", "estimated_"
_ENDS = ("_low", "_high")


@dataclass(frozen=True)
class Unlikely:
    """A feature that differs from the training rows more than chance lets expect of it alone."""

    feature: str
    psi: float
    chance: float


@dataclass(frozen=True)
class Window:
    """One scoring run: when it started, and its metrics and tags."""

    run_id: str
    at: datetime
    metrics: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, run_id: str, started: int, metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> Window:
        """Make a window of a run that started at a time in milliseconds."""
        return cls(run_id, datetime.fromtimestamp(started / 1000, UTC), metrics, tags)

    @property
    def day(self) -> str:
        """The date, for a sentence."""
        return f"{self.at:%Y-%m-%d}"

    @property
    def model(self) -> str:
        """What names the model for certain: its train run, or else where it was loaded from."""
        return self.tags.get("model.run_id") or self.tags.get("model.uri", "")

    @property
    def version(self) -> str:
        """What the model is called: `version 3`, or the start of its train run's id."""
        number = self.tags.get("model.version")
        return f"version {number}" if number else f"model {self.model[:8]}".strip()

    @property
    def rows(self) -> int:
        """The number of scored rows."""
        return int(self.metrics.get("rows_scored", 0))

    @property
    def rejected(self) -> int:
        """The number of bad rows."""
        return int(self.metrics.get("rows_rejected", 0))

    @cached_property
    def reference(self) -> Reference | None:
        """What was expected of the rows; None if the model knows nothing of its held-out rows."""
        with suppress(StepError):
            return Reference.from_text(self.tags[REFERENCE]) if REFERENCE in self.tags else None
        return None

    @cached_property
    def psi(self) -> dict[str, float]:
        """Index by feature: of all, or of those that drifted most if there are many."""
        return self._starting(PSI)

    @cached_property
    def unseen(self) -> dict[str, float]:
        """Rows by category whose text the training rows did not have."""
        return self._starting(UNSEEN)

    @cached_property
    def features(self) -> int:
        """How many features the model has; 0 if that was not recorded."""
        return int(self._recorded_features.get("features", 0))

    @cached_property
    def unlikely(self) -> tuple[Unlikely, ...]:
        """The features that differ by more than chance, the least likely first."""
        return tuple(Unlikely(*each) for each in self._recorded_features.get("unlikely", ()))

    @property
    def is_late(self) -> bool:
        """Whether the labels came after the predictions."""
        return f"{LATE}rows_labelled" in self.metrics

    @property
    def labelled(self) -> int:
        """The number of rows with a label."""
        prefix = LATE if self.is_late else ""
        return int(self.metrics.get(f"{prefix}rows_labelled", 0))

    @cached_property
    def scores(self) -> dict[str, Interval]:
        """Scores of the labelled rows; those without an interval have NaN as its ends."""
        found = self._starting(LATE if self.is_late else SCORED)
        return {
            name: Interval(value, *(found.get(f"{name}{end}", math.nan) for end in _ENDS))
            for name, value in found.items()
            if not name.endswith(_ENDS) and not name.startswith(("rows_", "label_"))
        }

    @cached_property
    def estimates(self) -> dict[str, float]:
        """Scores to expect by the model's own probabilities."""
        return self._starting(ESTIMATED)

    def label_level(self, name: str) -> float | None:
        """Give the mean of the labels, by its name in the reference."""
        return self.metrics.get(f"{LATE}{name}" if self.is_late else name)

    def _starting(self, prefix: str) -> dict[str, float]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.metrics.items()
            if name.startswith(prefix)
        }

    @cached_property
    def _recorded_features(self) -> Mapping[str, Any]:
        # Whoever can write to the store can write anything there.
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads(self.tags.get(FEATURES, "{}"))
            least = [
                (str(name), float(psi), float(chance))
                for name, psi, chance in content.get("unlikely", ())
            ]
            return {"features": int(content.get("features", 0)), "unlikely": least}
        return {}


def spells(windows: Sequence[Window]) -> Iterator[tuple[int, Window]]:
    """Yield the place and the first window of each model's time, oldest first."""
    before = None
    for place, window in enumerate(windows):
        if window.model != before:
            yield place, window
        before = window.model


def of_newest_model(windows: Sequence[Window]) -> Sequence[Window]:
    """Return the windows since the present model took over, oldest first."""
    *_, (start, _) = spells(windows)
    return windows[start:]
