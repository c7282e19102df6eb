"""What the run of a search shows while it goes on: how many, how good, how fast, how long still."""

from __future__ import annotations

import math
import time

from steps.model.fitting import CandidateResult
from steps.report.search_record import candidate_metrics


class SearchProgress:
    """Counts the candidates of a search as they end, and remembers the best by one metric."""

    def __init__(self, metric: str, total: int) -> None:
        self.metric, self._total = metric, total
        self._began = time.time()
        self._known, self._best = 0, -math.inf
        self.done = 0
        self.best_index: int | None = None

    def count(self, index: int, result: CandidateResult, *, known: bool = False) -> None:
        """Take note of a candidate; one that is `known` from before says nothing of the speed."""
        self.done += 1
        self._known += known
        score = candidate_metrics(result)[f"mean_test_{self.metric}"]
        # A score that is not a number is not better than any.
        if score > self._best:
            self._best, self.best_index = score, index

    @property
    def so_far(self) -> dict[str, float]:
        """What each candidate adds to the curves of the run: how many are done, the best score."""
        points = {"candidates_done": float(self.done)}
        if self.best_index is not None:
            points["best_cv_score_so_far"] = self._best
        return points

    @property
    def speed(self) -> dict[str, float]:
        """The time spent and left, in seconds, and candidates fitted in a second."""
        spent = time.time() - self._began
        rate = (self.done - self._known) / max(spent, 1e-9)
        left = (self._total - self.done) / rate if rate else 0.0
        named = {"search_seconds": spent, "search_seconds_left": left}
        return {**named, "candidates_per_second": rate}

    @property
    def best(self) -> str:
        """The best score in words; empty if no candidate has one."""
        return "" if self.best_index is None else f"best {self.metric} {self._best:.4f}"
