"""Heat maps of `monitor.html`: what each feature did in each window, the worst on top."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps.report.timeline import Axis

if TYPE_CHECKING:
    from steps.report.monitor_charts import Alarmed
    from steps.scoring.windows import Window

WIDTH, LEFT, CELL, TOP, BOTTOM = 940, 170, 16, 18, 20
MOST_ROWS, LONGEST_NAME, SHADES = 40, 26, 10


@dataclass(frozen=True)
class HeatMap:
    """Names by window, as cells (place, row, shade, whether it alarmed, what to say)."""

    names: tuple[tuple[float, str, str], ...]
    cells: tuple[tuple[float, float, int, bool, str], ...]
    width: float
    height: float
    x_ticks: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, str], ...]
    left_out: int


def drift(windows: Sequence[Window], threshold: float, alarmed: Alarmed) -> HeatMap | None:
    """Draw the index of each feature in each window, the most drifted features on top."""
    full = 2 * threshold or 1.0
    return _heat_map(
        windows,
        [window.psi for window in windows],
        lambda value: value / full,
        lambda value: f"PSI {value:.3f}",
        lambda name, window: f"feature {name}" in alarmed.get(window.run_id, ()),
    )


def unseen(windows: Sequence[Window]) -> HeatMap | None:
    """Draw the share of the rows of each window whose category training has not seen."""
    shares = [
        {name: count / max(window.rows, 1) for name, count in window.unseen.items()}
        for window in windows
    ]
    return _heat_map(
        windows,
        shares,
        # Even one row in a thousand is to be seen.
        lambda value: math.sqrt(value),
        lambda value: f"{100 * value:.3g}% of the rows",
        lambda name, window: False,
    )


def _heat_map(
    windows: Sequence[Window],
    values: Sequence[Mapping[str, float]],
    shade: Callable[[float], float],
    told: Callable[[float], str],
    is_alarm: Callable[[str, Window], bool],
) -> HeatMap | None:
    worst: dict[str, float] = {}
    for each in values:
        for name, found in each.items():
            worst[name] = max(found, worst.get(name, 0.0))
    if not worst:
        return None
    # The newest window breaks a tie, then the name.
    ordered = sorted(worst, key=lambda name: (-worst[name], -values[-1].get(name, 0.0), name))
    shown = ordered[:MOST_ROWS]
    axis = Axis(windows, LEFT, WIDTH)
    cells = [
        (
            axis.start(place),
            TOP + CELL * row,
            max(1 if value > 0 else 0, min(SHADES, round(SHADES * shade(value)))),
            is_alarm(name, window),
            f"{name}, {window.day}: {told(value)}",
        )
        for row, name in enumerate(shown)
        for place, window in enumerate(windows)
        if (value := values[place].get(name)) is not None
    ]
    height = TOP + CELL * len(shown)
    names = [(TOP + CELL * (row + 0.5), _short(n), n) for row, n in enumerate(shown)]
    return HeatMap(
        names=tuple(names),
        cells=tuple(cells),
        width=round(axis.width, 2),
        height=height,
        x_ticks=axis.ticks,
        marks=axis.marks,
        left_out=len(ordered) - len(shown),
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}…{name[-8:]}"
