"""The charts of `monitor.html`: rows, means of predictions and labels, scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from steps.report.page import ERRORS, NONE, amount, metric_title, writer
from steps.report.timeline import FLOOR, Axis, Chart, Point, Scale, area, line, steps
from steps.scoring import alerts

if TYPE_CHECKING:
    from steps.model.reference import Level
    from steps.scoring.windows import Window

# The signals that alarmed when a window was the newest, by its run's id.
Alarmed = Mapping[str, frozenset[str]]


def rows(windows: Sequence[Window]) -> Chart:
    """Draw how many rows were scored, and how many were bad."""
    axis = Axis(windows)
    scale = Scale.over([0, *(window.rows + window.rejected for window in windows)])
    bars = []
    for place, window in enumerate(windows):
        title = f"{window.day}: {window.rows:,} rows scored, {window.rejected:,} rejected"
        x, wide = axis.start(place) + 0.12 * axis.width, 0.76 * axis.width
        top, middle = scale.y(window.rows + window.rejected), scale.y(window.rows)
        bars.append(("model", f"M{x:.1f} {FLOOR}V{middle}h{wide:.1f}V{FLOOR}z", title))
        if window.rejected:
            bars.append(("second", f"M{x:.1f} {middle}V{top}h{wide:.1f}V{middle}z", title))
    return Chart(
        title="Rows scored and rejected",
        note="A bar for each scoring run; bad rows are on top.",
        y_ticks=scale.ticks(_count),
        x_ticks=axis.ticks,
        marks=axis.marks,
        bars=tuple(bars),
    )


def levels(windows: Sequence[Window], alarmed: Alarmed) -> list[Chart]:
    """Draw each mean of the predictions, then of the labels, with the band it is expected in."""
    references = [window.reference for window in windows]
    of_predictions = _levels_by_name([each.levels if each else () for each in references])
    of_labels = _levels_by_name([each.labels if each else () for each in references])
    names = [name for name in PREDICTED if any(name in each.metrics for each in windows)]
    found = [
        _level(
            name,
            windows,
            [window.metrics.get(name) for window in windows],
            [window.rows for window in windows],
            of_predictions.get(name, [None] * len(windows)),
            alarmed,
        )
        for name in dict.fromkeys([*names, *of_predictions])
    ]
    for name, expected in of_labels.items():
        values = [window.label_level(name) for window in windows]
        if any(value is not None for value in values):
            counts = [window.labelled for window in windows]
            found.append(_level(name, windows, values, counts, expected, alarmed))
    return found


# Shown even if nothing was expected of them.
PREDICTED = ("predicted_positive_rate", "mean_probability", "mean_prediction")
TITLES = {
    "predicted_positive_rate": "Rate of predicted positives",
    "mean_probability": "Mean probability of the positive class",
    "mean_prediction": "Mean prediction",
    "label_positive_rate": "Rate of positive labels",
    "label_mean": "Mean label",
}


def _levels_by_name(found: Sequence[Sequence[Level]]) -> dict[str, list[Level | None]]:
    names = dict.fromkeys(level.name for levels in found for level in levels)
    return {
        name: [next((level for level in levels if level.name == name), None) for levels in found]
        for name in names
    }


def _level(
    name: str,
    windows: Sequence[Window],
    values: Sequence[float | None],
    counts: Sequence[int],
    expected: Sequence[Level | None],
    alarmed: Alarmed,
) -> Chart:
    axis, number = Axis(windows), number_of(name)
    is_share = number is _share
    bands = [
        _within(alerts.band(level, count), is_share) if level and count else None
        for level, count in zip(expected, counts, strict=True)
    ]
    everything = [value for value in values if value is not None]
    everything += [end for band in bands if band for end in band]
    scale = Scale.over(everything, (0.0, 1.0) if is_share else (-math.inf, math.inf))
    signal = name.replace("_", " ")
    points = []
    for place, (window, value, band) in enumerate(zip(windows, values, bands, strict=True)):
        if value is None:
            continue
        told = f", expected {number(band[0])} to {number(band[1])}" if band else ""
        kind = "bad" if signal in alarmed.get(window.run_id, ()) else "model"
        title = f"{window.day}: {number(value)}{told}"
        points.append(Point(kind, axis.middle(place), scale.y(value), title))
    return Chart(
        title=TITLES.get(name, signal.capitalize()),
        note="The band holds it unless something has changed."
        if any(bands)
        else "Nothing was expected of it: the model knows no rows to compare with.",
        y_ticks=scale.ticks(number),
        x_ticks=axis.ticks,
        marks=axis.marks,
        bands=area(axis, bands, scale),
        expected=steps(axis, [level.value if level else None for level in expected], scale),
        line=line(axis, values, scale),
        points=tuple(points),
    )


def _within(ends: tuple[float, float], is_share: bool) -> tuple[float, float]:
    return (max(0.0, ends[0]), min(1.0, ends[1])) if is_share else ends


def number_of(name: str) -> Callable[[float], str]:
    """Return the function that writes a level's values."""
    return amount if name in ("mean_prediction", "label_mean") else _share


def _share(value: float) -> str:
    return f"{100 * value:.3g}%"


def _count(value: float) -> str:
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if value >= 10 * size or value == size:
            return f"{value / size:,.3g}{unit}"
    return f"{value:,.0f}" if value == round(value) else ""


def scores(windows: Sequence[Window], alarmed: Alarmed) -> list[Chart]:
    """Draw each score that windows have, from labels or estimated, with what was expected."""
    known: dict[str, None] = {}
    for window in windows:
        references = window.reference.scores if window.reference else ()
        known |= dict.fromkeys(score.name for score in references)
    for window in windows:
        known |= dict.fromkeys([*window.scores, *window.estimates])
    there = [
        name
        for name in known
        if any(name in each.scores or name in each.estimates for each in windows)
    ]
    return [_score(name, windows, alarmed) for name in there]


def _score(name: str, windows: Sequence[Window], alarmed: Alarmed) -> Chart:
    axis, number = Axis(windows), writer(name)
    expected = [
        next((s for s in (w.reference.scores if w.reference else ()) if s.name == name), None)
        for w in windows
    ]
    found = [window.scores.get(name) for window in windows]
    estimates = [window.estimates.get(name) for window in windows]
    everything = [value for value in estimates if value is not None]
    everything += [v for s in [*found, *expected] if s for v in (s.value, s.low, s.high)]
    scale = Scale.over(everything, (-math.inf, math.inf) if name in ERRORS else (-math.inf, 1.0))
    points = []
    for place, (window, score, estimate) in enumerate(zip(windows, found, estimates, strict=True)):
        x = axis.middle(place)
        if estimate is not None:
            title = f"{window.day}: estimated {number(estimate)}, without labels"
            points.append(Point("estimate", x, scale.y(estimate), title))
        if score is not None:
            late = ", of labels that came later" if window.is_late else ""
            known = not math.isnan(score.low)
            ends = (scale.y(score.low), scale.y(score.high)) if known else None
            said = f" [{number(score.low)}, {number(score.high)}]" if known else ""
            kind = "bad" if f"score {name}" in alarmed.get(window.run_id, ()) else "model"
            kind = f"{kind} late" if window.is_late else kind
            title = f"{window.day}: {number(score.value)}{said} of {window.labelled:,} rows{late}"
            points.append(Point(kind, x, scale.y(score.value), title, ends))
    return Chart(
        title=metric_title(name),
        note="Band: the held-out rows." if any(expected) else "",
        y_ticks=scale.ticks(number),
        x_ticks=axis.ticks,
        marks=axis.marks,
        bands=area(axis, [(each.low, each.high) if each else None for each in expected], scale),
        expected=steps(axis, [each.value if each else None for each in expected], scale),
        line=line(axis, [score.value if score else None for score in found], scale),
        points=tuple(points),
    )


def shown_score(window: Window) -> tuple[str, str, str]:
    """Give name, value and origin of the score that stands for a window in a table."""
    expected = [score.name for score in window.reference.scores] if window.reference else []
    for name in [*expected, *window.scores]:
        if (found := window.scores.get(name)) is not None:
            return metric_title(name), writer(name)(found.value), "late" if window.is_late else ""
    for name in [*expected, *window.estimates]:
        if (estimate := window.estimates.get(name)) is not None:
            return metric_title(name), writer(name)(estimate), "estimated"
    return "", NONE, ""
