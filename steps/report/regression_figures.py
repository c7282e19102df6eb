"""Figures of a regression on its held-out rows; drawn inside `charts.style`.

A few rows are dots, many are counted in cells: a figure has the same size for any number of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter

from steps.report import charts
from steps.report.charts import GREY, MODEL, MUTED, SECOND
from steps.report.page import amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from steps.model.conformal import Conformal

MOST_DOTS = 1_000
CELLS, SHADES = 48, 6
# An axis shows these quantiles, and all values if they are not much farther.
SHOWN, FARTHER = (0.005, 0.995), 2.0
Range = tuple[float, float]


def predicted_against_actual(truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """Draw each row; predictions on the diagonal are exact."""
    figure, axes = charts.canvas(height=3.9)
    view = _view(np.concatenate([truth, predicted]))
    axes.plot(view, view, color=GREY, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    _rows(axes, (predicted, truth), (view, view))
    _label(axes, "predicted", "actual")
    return figure


def residuals(truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """Draw each row's error over its prediction; above zero it was predicted too low."""
    figure, axes = charts.canvas(height=3.9)
    errors = truth - predicted
    axes.axhline(0, color=GREY, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    _rows(axes, (predicted, errors), (_view(predicted), _view(errors)))
    _label(axes, "predicted", "actual less predicted")
    return figure


def errors(truth: np.ndarray, predicted: np.ndarray, half_width: float | None) -> Figure:
    """Draw the distribution of the errors, and the half width of the prediction intervals."""
    figure, axes = charts.canvas(height=3.1)
    found = truth - predicted
    low, high = _view(found)
    axes.hist(np.clip(found, low, high), bins=40, range=(low, high), color=MODEL, alpha=0.45)
    axes.axvline(0, color=GREY, linewidth=1, linestyle=(0, (3, 3)))
    if half_width is not None:
        for end in (-half_width, half_width):
            axes.axvline(end, color=SECOND, linewidth=1.2)
        axes.set_xlim(min(low, -1.05 * half_width), max(high, 1.05 * half_width))
    _label(axes, "actual less predicted", "rows")
    return figure


def coverage(truth: np.ndarray, predicted: np.ndarray, conformal: Conformal) -> Figure:
    """Draw the share of held-out rows within their interval by the level that was asked for."""
    figure, axes = charts.canvas(height=3.1)
    distances = np.sort(np.abs(truth - predicted))
    shares = np.searchsorted(distances, conformal.quantiles, side="right") / len(distances)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (3, 3)))
    axes.plot(conformal.levels, shares, color=MODEL)
    charts.unit_square(axes, "level of the intervals", "held-out rows within", square=False)
    return figure


def _rows(axes: Axes, values: tuple[np.ndarray, np.ndarray], views: tuple[Range, Range]) -> None:
    x, y = values
    if len(x) <= MOST_DOTS:
        axes.plot(x, y, "o", color=MODEL, markersize=3.6, markeredgewidth=0, alpha=0.5)
    else:
        _cells(axes, values, views)
    axes.set(xlim=_with_margin(views[0]), ylim=_with_margin(views[1]))
    (left, right), (low, high) = views
    outside = int(((x < left) | (x > right) | (y < low) | (y > high)).sum())
    if outside:
        axes.set_title(f"{outside:,} rows lie outside", fontsize=8, color=MUTED, loc="right")


def _cells(axes: Axes, values: tuple[np.ndarray, np.ndarray], views: tuple[Range, Range]) -> None:
    counts, across, up = np.histogram2d(*values, bins=CELLS, range=views)
    # The eye compares ratios, so each shade stands for a multiple of the rows of the last one.
    shade = np.ceil(SHADES * np.log1p(counts) / np.log1p(counts.max() or 1)).astype(int)
    for level in range(1, SHADES + 1):
        corners = [
            [(left, low), (right, low), (right, high), (left, high), (left, low)]
            for i, j in np.argwhere(shade == level)
            for (left, right), (low, high) in [(across[i : i + 2], up[j : j + 2])]
        ]
        if corners:
            codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
            path = Path(np.concatenate(corners), codes * len(corners))
            alpha = 0.08 + 0.84 * level / SHADES
            axes.add_patch(PathPatch(path, facecolor=MODEL, alpha=alpha, linewidth=0, zorder=2))


def _view(values: np.ndarray) -> Range:
    low, high = float(values.min()), float(values.max())
    inner_low, inner_high = (float(end) for end in np.quantile(values, SHOWN))
    reach = FARTHER * (inner_high - inner_low)
    if reach > 0:
        low, high = max(low, inner_low - reach), min(high, inner_high + reach)
    if low == high:
        around = abs(low) * 0.05 or 1.0
        return low - around, high + around
    return low, high


def _with_margin(view: Range) -> Range:
    margin = 0.03 * (view[1] - view[0])
    return view[0] - margin, view[1] + margin


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.locator_params(nbins=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    text = f"{value:,.10g}" if abs(value) < 1e7 else amount(value)
    return text.replace("-", "−")
