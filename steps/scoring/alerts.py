"""Which windows differ from what was expected, by more than chance explains.

A year of weekly windows that are like the training rows raises an alarm with a chance of at most
`FALSE_ALARMS`, however many features there are: each window has an equal part of it, each kind
of signal a third of that, and each signal of a kind an equal part (Bonferroni). The probabilities
are approximations, hence `CAUTION`, as in `drift`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from steps.model import gate
from steps.model.interval import NORMAL_95
from steps.model.metrics import LOWER_IS_BETTER
from steps.scoring.drift import CAUTION, chance
from steps.scoring.windows import of_newest_model

if TYPE_CHECKING:
    from steps.model.reference import Level, ReferenceScore
    from steps.scoring.windows import Window

FALSE_ALARMS, WINDOWS = 0.01, 52
# A window is judged alone, and together with the one before it: a small change shows sooner.
TOGETHER = 2
LIMIT = FALSE_ALARMS / WINDOWS / 3 / TOGETHER / CAUTION
# Means and scores of fewer rows are not normal, not even about.
FEWEST_ROWS = 50
# Of many rows, anything differs beyond chance. A mean has to move by a tenth of the rows'
# deviation, a score by 0.02 (an error by 2 %), a feature's index by the threshold.
LEAST_SHIFT, LEAST_DROP = 0.1, 0.02
# An alarm is said to have begun in the first window from which on its signal was this unlikely.
SINCE = 0.01
# A normal variable is further from its mean in LIMIT of all cases, either way.
DEVIATIONS = -float(ndtri(LIMIT / 2))
ERRORS = ("mae", "rmse", "median_absolute_error", *LOWER_IS_BETTER)


@dataclass(frozen=True)
class Signal:
    """Something that differs in a window: what, by how much, and how likely that is by chance.

    `look` says what to look at. What does not matter is too small to act on, however certain.
    """

    what: str
    by: str
    chance: float
    limit: float
    look: str
    matters: bool = True

    @property
    def is_alarm(self) -> bool:
        """Whether it matters and chance does not explain it."""
        return self.matters and self.chance < self.limit


@dataclass(frozen=True)
class Alert:
    """A signal that alarms, the window it was found in, and that in which it began."""

    signal: Signal
    window: Window
    since: Window
    windows: int

    def __str__(self) -> str:
        number = "" if self.windows == 1 else f", {self.windows} windows"
        return (
            f"{self.signal.what} {self.signal.by}, since {self.since.at:%Y-%m-%d %H:%M}{number}; "
            f"look at {self.signal.look}"
        )


# Signals of the last of a few windows, or of all of them together, given the least index.
Kind = Callable[[Sequence["Window"], float], Iterator[Signal]]


def features(group: Sequence[Window], threshold: float) -> Iterator[Signal]:
    """Yield the features of the last window whose index is over the threshold."""
    window = group[-1]
    limit = LIMIT / max(window.features, 1)
    for found in window.unlikely:
        if found.psi > threshold:
            yield Signal(
                what=f"feature {found.feature}",
                by=f"has drifted: PSI {found.psi:.2f} over {threshold:g}",
                chance=found.chance,
                limit=limit,
                look=f"drift.html of run {window.run_id}",
            )


def predictions(group: Sequence[Window], _: float) -> Iterator[Signal]:
    """Yield the means of predictions."""
    window = group[-1]
    levels = window.reference.levels if window.reference else ()
    for level in levels:
        values = [(each.metrics.get(level.name), each.rows) for each in group]
        look = f"drift.html of run {window.run_id}, and the predictions there"
        yield from _level(level, values, len(levels), look)


def labels(group: Sequence[Window], _: float) -> Iterator[Signal]:
    """Yield the means of labels, and the scores that fell."""
    window = group[-1]
    expected = window.reference
    if expected is None:
        return
    number = len(expected.labels) + len(expected.scores)
    for level in expected.labels:
        values = [(each.label_level(level.name), each.labelled) for each in group]
        yield from _level(level, values, number, f"the labels of {window.day}")
    for score in expected.scores:
        yield from _score(score, group, number)


KINDS: tuple[Kind, ...] = (features, predictions, labels)


def _level(
    level: Level, values: Sequence[tuple[float | None, int]], number: int, look: str
) -> Iterator[Signal]:
    known = [(value, rows) for value, rows in values if value is not None and rows]
    rows = sum(rows for _, rows in known)
    if not rows or len(known) < len(values):
        return
    value = sum(value * rows for value, rows in known) / rows
    yield Signal(
        what=level.name.replace("_", " "),
        by=f"is {value:.3g}, expected {level.value:.3g}",
        chance=chance_of_level(level, value, rows),
        limit=LIMIT / number,
        look=look,
        matters=abs(value - level.value) >= LEAST_SHIFT * level.spread,
    )


def chance_of_level(level: Level, value: float, rows: int) -> float:
    """Give the chance that a level of rows like the reference differs from it this much."""
    if level.is_share:
        counts = [
            np.array([round(share * of), of - round(share * of)])
            for share, of in ((level.value, level.rows), (value, rows))
        ]
        return chance(*counts)
    if rows < FEWEST_ROWS or math.isnan(value):
        return 1.0
    error = level.spread * math.sqrt(1 / level.rows + 1 / rows)
    return _two_sided(value - level.value, error)


def band(level: Level, rows: int) -> tuple[float, float]:
    """Give the ends that a level of so many rows stays within, about as rarely as it alarms."""
    sizes = 1 / level.rows + 1 / max(rows, 1)
    spread = math.sqrt(level.value * (1 - level.value)) if level.is_share else level.spread
    half = DEVIATIONS * spread * math.sqrt(sizes)
    return level.value - half, level.value + half


def _score(expected: ReferenceScore, group: Sequence[Window], number: int) -> Iterator[Signal]:
    scores = [each.scores[expected.name] for each in group if expected.name in each.scores]
    if len(scores) < len(group):
        return
    value = sum(score.value for score in scores) / len(scores)
    # The errors are those that the 95 % intervals stand for.
    widths = [(score.high - score.low) / len(scores) for score in scores]
    error = math.hypot(expected.high - expected.low, *widths) / (2 * NORMAL_95)
    worse = value - expected.value if expected.name in ERRORS else expected.value - value
    window, rows = group[-1], sum(each.labelled for each in group)
    judged = rows >= FEWEST_ROWS and not math.isnan(error) and worse > 0
    unit = abs(expected.value) if expected.name in ERRORS else 1.0
    late = " (labels that came later)" if window.is_late else ""
    yield Signal(
        what=f"score {expected.name}",
        by=f"is {value:.3g}, {expected.value:.3g} on the held-out rows{late}",
        chance=_two_sided(worse, error) if judged else 1.0,
        limit=LIMIT / number,
        look=f"the labels of {window.day}, and train again if they are right",
        matters=worse >= LEAST_DROP * unit,
    )


def _two_sided(difference: float, error: float) -> float:
    if not error:
        return 0.0 if difference else 1.0
    return float(2 * ndtr(-abs(difference) / error))


def judge(windows: Sequence[Window], threshold: float) -> list[Alert]:
    """Find what alarms in the newest window, and in the newest that has labels.

    `windows` are in the order of time. Only those of the present model count: another one has
    other expectations. `threshold` is the index from which a feature has drifted.
    """
    found: list[Alert] = []
    recent = of_newest_model(windows)
    for kind in KINDS:
        judged = [window for window in recent if window.labelled] if kind is labels else recent
        if not judged:
            continue
        for alarm in _alarms(kind, judged, threshold):
            start = _start(alarm.what, kind, judged, threshold)
            found.append(Alert(alarm, judged[-1], judged[start], len(judged) - start))
    return found


def _alarms(kind: Kind, windows: Sequence[Window], threshold: float) -> list[Signal]:
    """List what alarms in the last window, or else in the last two of them together."""
    signals = [kind(windows[-number:], threshold) for number in range(1, TOGETHER + 1)]
    found = {each.what: each for each in chain(*reversed(signals)) if each.is_alarm}
    return sorted(found.values(), key=lambda each: each.chance / each.limit)


def _start(what: str, kind: Kind, windows: Sequence[Window], threshold: float) -> int:
    """Find the first of the windows since which a signal has been unlikely in each."""
    start = len(windows) - 1
    while start:
        before = {each.what: each.chance for each in kind([windows[start - 1]], threshold)}
        if before.get(what, 1.0) >= SINCE:
            break
        start -= 1
    return start


def alarming(windows: Sequence[Window], threshold: float) -> list[list[Signal]]:
    """List what alarmed in each window when it was the newest."""
    return [
        [alert.signal for alert in judge(windows[: place + 1], threshold)]
        for place in range(len(windows))
    ]


def below_minimum(
    windows: Sequence[Window], minimum: Mapping[str, float]
) -> tuple[list[Alert], list[str]]:
    """Check the newest scores of the present model against minimums, named as in training.

    These are the scores of the newest window that has labels, or else the estimates of the newest
    window. Returns the minimums that are missed, and the names of scores that are not known.
    """
    recent = of_newest_model(windows)
    window = next((each for each in reversed(recent) if each.labelled), recent[-1])
    values = {f"test_{name}": found.value for name, found in window.scores.items()}
    values |= {
        f"test_{name}_low": found.low
        for name, found in window.scores.items()
        if not math.isnan(found.low)
    }
    if not window.labelled:
        values = {f"test_{name}": value for name, value in window.estimates.items()}
    known = {name: least for name, least in minimum.items() if name in values}
    how = "" if window.labelled else " (an estimate, without labels)"
    missed = [
        Signal(
            what=f"score {check.metric.removeprefix('test_')}",
            by=f"is {check.value:.3f}{how}, minimum {check.least:g}",
            chance=0.0,
            limit=1.0,
            look="the scores in monitor.html",
        )
        for check in gate.check(known, values)
        if not check.passed
    ]
    return [Alert(each, window, window, 1) for each in missed], sorted(minimum.keys() - known)
