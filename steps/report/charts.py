"""The style of every figure, charts for any task, and the output: PNG files, and SVG for a page.

Figures are drawn once in the colours of the light theme. In the SVG each of these colours is
replaced by a CSS variable, so that the report's figures follow its theme, light or dark.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from steps.report.page import COLOURS, SERIES, metric_title

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

    from steps.model.bootstrap import Interval
    from steps.model.details import Spread
    from steps.model.importances import Importances

INK, MUTED, LINE, PAPER, GREY, MODEL, SECOND, THIRD = (
    COLOURS[name][0]
    for name in ("ink", "muted", "line", "paper", "grey", "model", "second", "third")
)

_STYLE: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.xmargin": 0.02,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.4,
    "figure.constrained_layout.use": True,
    # Text stays text: it can be searched, scales with the page and takes the page's font.
    "svg.fonttype": "none",
    # A dollar sign in a column's name does not start a formula.
    "text.parse_math": False,
    "svg.hashsalt": "report",
}
WIDTH, HEIGHT = 4.7, 3.5
PNG_DOTS_PER_INCH = 160
# By their names in CSS.
DASHES: dict[str, Any] = {"solid": "-", "dashed": (0, (4, 1.5)), "dotted": (0, (1, 1.2))}
MOST_IMPORTANCES = 20


@contextmanager
def style() -> Iterator[None]:
    """Draw and save figures in the project's style while the block runs."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A missing glyph is a box in the PNG; the report's text uses its reader's fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def canvas(width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Make a figure (inches) and its one set of axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def series(position: int) -> tuple[str, str]:
    """Name the colour and the dash of a line: each colour is used with each dash."""
    dashes = list(DASHES)
    return SERIES[position % len(SERIES)], dashes[position // len(SERIES) % len(dashes)]


def legend_above(axes: Axes, columns: int) -> None:
    """Put the legend over the axes, where it covers nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderpad=0.2)


def cross_validation(
    metrics: Sequence[str],
    folds: Mapping[str, Spread],
    scores: Mapping[str, Interval],
    unit: str = "score",
) -> Figure:
    """Show cross-validated scores (mean ± deviation of the folds) above held-out ones (95 %)."""
    figure, axes = canvas(height=0.46 * len(metrics) + 0.85)
    for row, name in enumerate(metrics):
        mean, std = folds[name].mean, folds[name].std
        held_out = scores[name]
        _whisker(axes, row - 0.14, (mean - std, mean, mean + std), GREY)
        _whisker(axes, row + 0.14, (held_out.low, held_out.value, held_out.high), MODEL)
    _name_rows(axes, [metric_title(name) for name in metrics])
    axes.set_xlabel(unit)
    key = (("cross-validation, ± deviation of folds", GREY), ("held-out, 95 %", MODEL))
    for label, colour in key:
        axes.plot([], [], "o-", color=colour, markersize=5, label=label)
    # A legend of the figure: beside long score names the axes are too narrow for it.
    figure.legend(loc="outside upper left", ncols=len(key), borderpad=0.2)
    return figure


def importances(found: Importances, metric: str) -> Figure:
    """Show the mean drop of a score by feature (bar), and each shuffle's drop (dots)."""
    names, drops = found.features[:MOST_IMPORTANCES], found.drops[:MOST_IMPORTANCES]
    figure, axes = canvas(height=0.27 * len(names) + 0.75)
    rows = np.arange(len(names))
    axes.barh(rows, drops.mean(axis=1), height=0.62, color=MODEL, alpha=0.3)
    axes.plot(drops, rows, "o", color=MODEL, markersize=2.6, markeredgewidth=0, alpha=0.7)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    _name_rows(axes, [shortened(name) for name in names])
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(f"drop of {metric_title(metric)} when shuffled")
    return figure


def unit_square(axes: Axes, x: str, y: str, *, square: bool = True, end: float = 1.0) -> None:
    """Make both axes go from 0 to 100 %, or to another `end`."""
    ends = (-0.01 * end, 1.01 * end)
    axes.set(xlabel=x, ylabel=y, xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_ticks([share * end for share in (0, 0.25, 0.5, 0.75, 1)])
    if square:
        axes.spines[["left", "bottom"]].set_color(LINE)


def scores_of_runs(
    titles: Sequence[str], scores: Sequence[Interval], metric: str, most: int = 32
) -> Figure:
    """Show one score of several models, with their intervals, in their colours."""
    figure, axes = canvas(height=0.34 * len(titles) + 0.85)
    for row, found in enumerate(scores):
        colour, dash = series(row)
        ink = COLOURS[colour][0]
        ends = [found.low, found.high]
        axes.plot(ends, [row, row], color=ink, linewidth=2.2, linestyle=DASHES[dash], alpha=0.55)
        axes.plot([found.value], [row], "o", color=ink, markersize=6, markeredgecolor=PAPER)
    _name_rows(axes, [shortened(title, most) for title in titles])
    axes.set_xlabel(metric_title(metric))
    return figure


def _whisker(axes: Axes, row: float, ends: tuple[float, float, float], colour: str) -> None:
    low, value, high = ends
    axes.plot([low, high], [row, row], color=colour, linewidth=2.2, alpha=0.55)
    axes.plot([value], [row], "o", color=colour, markersize=6, markeredgecolor=PAPER)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def legend_name(text: str, most: int = 32) -> str:
    """Keep a name short, and in the legend: a label that begins with an underscore is left out."""
    return shortened(f" {text}" if text.startswith("_") else text, most)


def shortened(text: str, most: int = 26) -> str:
    """Keep a long name from taking the figure's whole width; names often differ at the end."""
    end = most // 3
    return text if len(text) <= most else f"{text[: most - end - 1]}…{text[-end:]}"


def to_svg(figure: Figure, description: str) -> str:
    """Give a figure as an `<svg>` element for an HTML page whose CSS has the colours."""
    written = io.StringIO()
    figure.set_facecolor("none")
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(written, metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page has many figures, so remove matplotlib's ids, which would clash.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    for name, (colour, _) in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)


def write_figures(figures: Mapping[str, Figure], folder: Path) -> dict[str, str]:
    """Write each figure as `<folder>/<name>.png`, on white; give it as SVG for the page."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: _write(figure, name, folder) for name, figure in figures.items()}


def _write(figure: Figure, name: str, folder: Path) -> str:
    # `savefig` would draw each figure twice for each file, to lay it out anew.
    figure.set_facecolor(PAPER)
    figure.set_dpi(PNG_DOTS_PER_INCH)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(folder / f"{name}.png", metadata={"Software": None})
    figure.set_layout_engine("none")
    return to_svg(figure, name.replace("_", " "))
