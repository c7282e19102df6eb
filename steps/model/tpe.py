"""Candidates that learn from scores: Optuna's sampler, asked and told by the search itself.

    {"clf__max_depth": {"low": 2, "high": 20}, "clf__max_features": [0.3, "sqrt"]}

Optuna (an optional extra, imported when asked for) keeps its trials in memory: the child runs are
the record, and a resumed search tells it of them.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from steps.base.errors import StepError
from steps.model.fitting import TEST, Batch, CandidateResult
from steps.model.grid import Candidate, SearchSettings

# Spread trials first; ten is Optuna's own default, and a quarter is left for short searches.
MOST_STARTUP, STARTUP_SHARE = 10, 4
# Scores of fewer trials say little about what is hopeless.
TRIALS_BEFORE_PRUNING = 10
# So many standard errors below the best, and below this share of all trials.
ERRORS_BELOW, SHARE_BELOW = 3.0, 0.25
# A small space offers the same candidate again.
MOST_REPETITIONS = 20


class Learned:
    """Proposes candidates and hears how they scored.

    The same seed gives the same candidates where one is fitted after the other; where several are,
    what is proposed depends on which ends first.
    """

    total: int

    def __init__(self, settings: SearchSettings, recalled: int = 0) -> None:
        """Begin; `recalled` is how many trials of an interrupted search will be told of."""
        optuna = _optuna()
        # Another seed, or the first trials would be drawn once more.
        seed = settings.seed + recalled
        startup = min(MOST_STARTUP, max(1, settings.n_iter // STARTUP_SHARE))
        self._settings = settings
        self._space: Mapping[str, Any] = settings.grid  # type: ignore[assignment]
        self._distributions = {name: _distribution(said) for name, said in self._space.items()}
        self._first = deque(_spread(self._distributions, startup, seed))
        self.candidates: list[Candidate] = []
        self.total, self.remaining = settings.n_iter, settings.n_iter
        self._trials: dict[int, Any] = {}
        self._scores: dict[int, tuple[float, ...]] = {}
        self._study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(
                seed=seed,
                n_startup_trials=startup,
                # Trials still being fitted count as bad: the next is not put beside them.
                constant_liar=True,
            ),
        )

    def next(self) -> Batch | None:
        """Propose a candidate."""
        if self.remaining <= 0:
            return None
        index = len(self.candidates)
        candidate = self._ask(index)
        self.candidates.append(candidate)
        self.remaining -= 1
        return Batch({index: candidate}, None, self._settings.metric, self._floors())

    def hear(self, index: int, result: CandidateResult) -> None:
        """Tell Optuna the mean over the folds, or over those that were fitted."""
        from optuna.trial import TrialState

        scores = result.scores[TEST + self._settings.metric]
        fitted = [score for score in scores if math.isfinite(score)]
        trial = self._trials.pop(index)
        if result.pruned and fitted:
            trial.report(float(np.mean(fitted)), step=len(fitted))
            self._study.tell(trial, state=TrialState.PRUNED)
        elif len(fitted) == len(scores):
            self._scores[index] = scores
            self._study.tell(trial, float(np.mean(scores)))
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def recall(self, texts: Mapping[str, str], result: CandidateResult) -> int:
        """Take over a candidate that was recorded with these parameters; give its position."""
        candidate = {name: _read(said, texts[name]) for name, said in self._space.items()}
        index = len(self.candidates)
        # A trial with these values, whatever the sampler would have proposed.
        self._study.enqueue_trial(
            {name: self._encoded(name, value) for name, value in candidate.items()}
        )
        self._trials[index] = self._study.ask(fixed_distributions=self._distributions)
        if self._first:
            self._first.popleft()
        self.candidates.append(candidate)
        self.remaining -= 1
        self.hear(index, result)
        return index

    def rows_of(self, index: int) -> int | None:
        """Say that all rows take part."""
        return None

    def _ask(self, index: int) -> Candidate:
        for _ in range(MOST_REPETITIONS):
            if self._first:
                self._study.enqueue_trial(self._first.popleft())
            trial = self._study.ask(fixed_distributions=self._distributions)
            candidate = {name: self._decoded(name, value) for name, value in trial.params.items()}
            before = next((i for i, c in enumerate(self.candidates) if c == candidate), None)
            if before is None or before not in self._scores:
                break
            self._study.tell(trial, float(np.mean(self._scores[before])))
        self._trials[index] = trial
        return candidate

    def _encoded(self, name: str, value: Any) -> Any:
        # Optuna's choices are None, bool, int, float or str: others stand for their JSON.
        return json.dumps(value) if isinstance(self._space[name], list) else value

    def _decoded(self, name: str, value: Any) -> Any:
        return json.loads(value) if isinstance(self._space[name], list) else value

    def _floors(self) -> tuple[float, ...]:
        """Give the mean of the first folds below which a trial cannot be expected to win.

        Folds are common to all trials, so what counts is the difference to the best trial on the
        same folds. Over `k` of `n` folds its mean is off by about s √(1/k - 1/n), with `s` the
        deviation of such differences from fold to fold.
        """
        if len(self._scores) < TRIALS_BEFORE_PRUNING:
            return ()
        scores = np.array(list(self._scores.values()))
        best = scores[scores.mean(axis=1).argmax()]
        spread = math.sqrt(float((scores - best).var(axis=1, ddof=1).mean()))
        folds = scores.shape[1]
        floors = []
        for done in range(1, folds):
            error = spread * math.sqrt(1 / done - 1 / folds)
            share = np.quantile(scores[:, :done].mean(axis=1), SHARE_BELOW)
            floors.append(float(min(best[:done].mean() - ERRORS_BELOW * error, share)))
        return tuple(floors)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise StepError(
            "search=tpe expects the package optuna, found none: pip install -e '.[tpe]', or use "
            "search=random"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _spread(distributions: Mapping[str, Any], count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Draw trials that are spread: of so many equal parts of each parameter each has one.

    Drawn one by one, ten trials leave out a third of the parts.
    """
    from scipy.stats import qmc

    for place in qmc.LatinHypercube(len(distributions), rng=seed).random(count):
        pairs = zip(distributions.items(), place.tolist(), strict=True)
        yield {name: _at(share, distribution) for (name, distribution), share in pairs}


def _at(share: float, distribution: Any) -> Any:
    """Give the value at a share of a distribution."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(share * len(distribution.choices))]
    whole = isinstance(distribution, IntDistribution)
    low, high = distribution.low - whole / 2, distribution.high + whole / 2
    value = low * (high / low) ** share if distribution.log else low + share * (high - low)
    return min(max(round(value) if whole else value, distribution.low), distribution.high)


def _distribution(said: Any) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(said, list):
        return CategoricalDistribution([json.dumps(value) for value in said])
    kind = IntDistribution if _is_whole(said) else FloatDistribution
    return kind(said["low"], said["high"], log=said.get("log", False))


def _is_whole(said: Mapping[str, Any]) -> bool:
    return isinstance(said["low"], int) and isinstance(said["high"], int)


def _read(said: Any, text: str) -> Any:
    if isinstance(said, list):
        return next(value for value in said if str(value) == text)
    return int(text) if _is_whole(said) else float(text)
