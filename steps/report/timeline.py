"""Charts over the windows of a monitored model: geometry only, drawn as SVG by the template.

Windows are equally wide, whatever the time between them. All places are in units of the SVG,
about pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from steps.scoring.windows import spells

if TYPE_CHECKING:
    from steps.scoring.windows import Window

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 176, 48, 6, 20, 22
FLOOR = HEIGHT - BOTTOM
MOST_TICKS, TICK_WIDTH, MARK_WIDTH, WIDEST = 5, 74, 56, 34.0
Ends = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """A value of a window: its place, the ends of its interval, and what to say about it."""

    kind: str
    x: float
    y: float
    title: str
    ends: Ends | None = None


@dataclass(frozen=True)
class Chart:
    """A chart: ticks as (place, text), marks of a new model, a band, a line, points and bars."""

    title: str
    note: str
    y_ticks: tuple[tuple[float, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, str], ...]
    bands: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    line: str = ""
    points: tuple[Point, ...] = ()
    bars: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Axis:
    """Where windows are across: one after the other from `left` on, each `width` wide."""

    windows: Sequence[Window]
    left: float = LEFT
    right: float = WIDTH - RIGHT

    @property
    def width(self) -> float:
        """The width of a window; a few do not fill the whole chart."""
        return min(WIDEST, (self.right - self.left) / max(len(self.windows), 1))

    def start(self, place: int) -> float:
        """Give the left edge of a window."""
        return round(self.left + self.width * place, 1)

    def edges(self, place: int) -> Ends:
        """Give the left and the right edge of a window."""
        return self.start(place), self.start(place + 1)

    def middle(self, place: int) -> float:
        """Give the middle of a window."""
        return round(self.left + self.width * (place + 0.5), 1)

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Dates of some windows, far enough apart to be read."""
        drawn = self.width * len(self.windows)
        number = max(1, min(MOST_TICKS, int(drawn / TICK_WIDTH), len(self.windows)))
        step = math.ceil(len(self.windows) / number)
        # Counted from the newest, which matters most.
        places = range(len(self.windows) - 1, -1, -step)
        # The newest date would stand out of the chart.
        most = self.right - 0.42 * TICK_WIDTH
        return tuple((min(self.middle(place), most), self.windows[place].day) for place in places)

    @property
    def marks(self) -> tuple[tuple[float, str], ...]:
        """Where another model took over, and what it is called if there is room."""
        found: list[tuple[float, str]] = []
        before = -math.inf
        for place, window in spells(self.windows):
            x = self.start(place)
            text = window.version if x - before >= MARK_WIDTH else ""
            before = x if text else before
            found.append((x, text))
        # The first model took over from none that is shown.
        return tuple(found) if len(found) > 1 else ()


@dataclass(frozen=True)
class Scale:
    """What a height stands for: from `low` at the floor to `high` at the top."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Iterable[float], limits: Ends = (-math.inf, math.inf)) -> Scale:
        """Span some values by round steps, within the limits that the values have."""
        known = [value for value in values if math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if high - low < 1e-9 * max(1.0, abs(high)):
            low, high = low - 0.05 * (abs(low) or 1), high + 0.05 * (abs(high) or 1)
        rough = (high - low) / MOST_TICKS
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        floor, top = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(max(floor, limits[0]), min(top, limits[1]), step)

    def y(self, value: float) -> float:
        """Give the height of a value, within the chart."""
        share = (value - self.low) / (self.high - self.low)
        return round(FLOOR - (FLOOR - TOP) * min(max(share, 0.0), 1.0), 1)

    def ticks(self, number: Callable[[float], str]) -> tuple[tuple[float, str], ...]:
        """Give heights and texts of the round values."""
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        values = [place * self.step for place in range(first, last + 1)]
        return tuple((self.y(value), number(value)) for value in values)


def area(axis: Axis, ends: Sequence[Ends | None], scale: Scale) -> tuple[str, ...]:
    """Outline a band, in a piece for each stretch of windows that has one."""
    return tuple(
        _path(
            [
                *((x, scale.y(high)) for place, (_, high) in piece for x in axis.edges(place)),
                *(
                    (x, scale.y(low))
                    for place, (low, _) in reversed(piece)
                    for x in reversed(axis.edges(place))
                ),
            ]
        )
        + "z"
        for piece in _stretches(ends)
    )


def steps(axis: Axis, values: Sequence[float | None], scale: Scale) -> tuple[str, ...]:
    """Draw a value that each window has for its whole width, such as what was expected."""
    return tuple(
        _path([(x, scale.y(value)) for place, value in piece for x in axis.edges(place)])
        for piece in _stretches(values)
    )


def line(axis: Axis, values: Sequence[float | None], scale: Scale) -> str:
    """Join the values of neighbouring windows."""
    return "".join(
        _path([(axis.middle(place), scale.y(value)) for place, value in piece])
        for piece in _stretches(values)
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


T = TypeVar("T")


def _stretches(values: Sequence[T | None]) -> list[list[tuple[int, T]]]:
    """Split values where one is missing; each comes with its place."""
    found: list[list[tuple[int, T]]] = [[]]
    for place, each in enumerate(values):
        if each is not None:
            found[-1].append((place, each))
        elif found[-1]:
            found.append([])
    return [piece for piece in found if piece]
