"""Decide whether a model may go out and beats the champion; other modules act on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from steps.base.errors import StepError
from steps.base.parsers import NONE
from steps.model import class_metrics, metrics
from steps.model.bootstrap import Interval
from steps.model.metrics import LOWER_IS_BETTER

# Scores of any task. Errors are in the unit of the target and have no minimum: use R² instead.
_NAMES = dict.fromkeys([*metrics.METRICS, *class_metrics.METRICS, "r2"])
_SCORES = [f"test_{name}" for name in _NAMES if name not in LOWER_IS_BETTER]
# `_low` is stricter: even the low end of the interval must reach the minimum.
GATE_METRICS = (*_SCORES, *(f"{name}_low" for name in _SCORES))

if TYPE_CHECKING:
    from steps.model.task import Task

# The tag with the verdict, and the prefix of the tags with its figures.
TAG = "gate"
PASSED, FAILED, NOT_ASKED = "passed", "failed", "not asked"


def minimum(value: str) -> dict[str, float]:
    """Read the scores to reach, such as `test_roc_auc=0.80,test_recall=0.5`, or `none`."""
    if value.strip().lower() == NONE:
        return {}
    expected = ValueError(
        f"none, or metric=number separated by commas with metrics of {', '.join(GATE_METRICS)}"
        " and numbers from 0 to 1"
    )
    found: dict[str, float] = {}
    for part in value.split(","):
        name, _, number = (text.strip() for text in part.partition("="))
        try:
            least = float(number)
        except ValueError:
            raise expected from None
        if name not in GATE_METRICS or name in found or not 0 <= least <= 1:
            raise expected
        found[name] = least
    return found


def check_names(minimums: Mapping[str, float], task: Task) -> None:
    """Raise a StepError for a score that a task does not have."""
    known = [f"test_{name}" for name in task.metrics]
    for name in minimums:
        if name.removesuffix("_low") not in known:
            allowed = [one for one in _SCORES if one in known]
            raise StepError(
                f"parameter minimum: expected scores of {task.what} ({', '.join(allowed)}), "
                f"found {name}"
            )


@dataclass(frozen=True)
class Check:
    """One minimum and the value reached."""

    metric: str
    least: float
    value: float

    @property
    def passed(self) -> bool:
        """Whether the minimum is reached."""
        return self.value >= self.least

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.3f} {'≥' if self.passed else '<'} {self.least:g}"


@dataclass(frozen=True)
class Duel:
    """The model against the champion, both scored now on the model's held-out rows.

    `difference` is the model's score minus the champion's. `same_split` is False when the champion
    was trained from another split: it may then have seen some of these rows, which favours it.
    """

    version: str
    metric: str
    difference: Interval
    same_split: bool

    @property
    def won(self) -> bool:
        """Whether the model is better beyond doubt: a tie keeps the champion."""
        return self.difference.low > 0

    def __str__(self) -> str:
        found = self.difference
        outcome = "better than" if self.won else "worse than" if found.high < 0 else "a tie with"
        told = (
            f"{outcome} champion version {self.version}: difference of {self.metric} "
            f"{found.value:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f}"
        )
        if self.same_split:
            return told
        return f"{told} (trained from another split, the champion may have seen these rows)"


@dataclass(frozen=True)
class Requirements:
    """What a model must achieve before it may go out, and the name to register it under."""

    minimum: Mapping[str, float] = field(default_factory=dict)
    model: str | None = None
    must_beat: bool = False

    @property
    def gated(self) -> bool:
        """Whether there is anything to miss."""
        return bool(self.minimum) or self.must_beat


@dataclass(frozen=True)
class Decision:
    """The outcome for a model: its checks, its duel and its registration.

    `version` is the version of the registered model. A `reigning` model was already the champion.
    """

    required: Requirements = Requirements()
    checks: tuple[Check, ...] = ()
    duel: Duel | None = None
    version: str | None = None
    champion: bool = False
    reigning: bool = False

    @property
    def gated(self) -> bool:
        """Whether there was anything to miss."""
        return self.required.gated

    @property
    def asked(self) -> bool:
        """Whether there was any gate or registration."""
        return self.gated or self.required.model is not None

    @property
    def reasons(self) -> list[str]:
        """Why the gate failed; empty if it passed."""
        missed = [str(check) for check in self.checks if not check.passed]
        if self.required.must_beat and self.duel is not None and not self.duel.won:
            missed.append(f"must_beat=champion, but it is {self.duel}")
        return missed

    @property
    def passed(self) -> bool:
        """Whether everything asked for holds."""
        return not self.reasons

    @property
    def tags(self) -> dict[str, str]:
        """The decision with its figures, for the run and for the version."""
        if not self.asked:
            return {}
        found = {f"{TAG}.decision": self.sentence}
        if self.gated:
            found[TAG] = PASSED if self.passed else FAILED
        for check in self.checks:
            found[f"{TAG}.{check.metric}"] = f"{check.value:.6g} (minimum {check.least:g})"
        if self.duel is not None:
            gap = self.duel.difference
            found[f"{TAG}.against_version"] = self.duel.version
            found[f"{TAG}.difference"] = (
                f"{self.duel.metric} {gap.value:+.6g} [{gap.low:+.6g}, {gap.high:+.6g}]"
            )
        return found

    @property
    def sentence(self) -> str:
        """The decision in one line."""
        verdict = f"gate {PASSED if self.passed else FAILED}: " if self.gated else ""
        return verdict + "; ".join(self.grounds)

    @property
    def grounds(self) -> list[str]:
        """The reasons for the decision, and its consequences."""
        if not self.passed:
            return [*self.reasons, "nothing was registered"]
        parts = [str(check) for check in self.checks]
        if self.version is not None:
            parts.append(f"registered as {self.required.model} version {self.version}")
        if self.reigning:
            parts.append("still the champion")
        elif self.champion and self.duel is None:
            parts.append("the champion, as there is no other")
        elif self.duel is not None:
            parts.append(f"{'the new champion' if self.champion else 'not champion'}: {self.duel}")
        return parts

    def registered(self, version: str, *, champion: bool) -> Decision:
        """Add the registered version, and whether it is the champion."""
        return replace(self, version=version, champion=champion)


def check(minimums: Mapping[str, float], metrics: Mapping[str, float]) -> tuple[Check, ...]:
    """Compare logged metrics with their minimums."""
    return tuple(Check(name, least, metrics[name]) for name, least in minimums.items())


def renewed_tags(decision: Decision, earlier: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a decision that replaces an earlier one among a run's tags."""
    stale = {name: NOT_ASKED for name in earlier if name.partition(".")[0] == TAG}
    return stale | decision.tags
