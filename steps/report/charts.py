"""The look of every figure, and its two forms: a PNG, and an SVG for the report.

Figures are drawn once in the colours of the light theme. In the SVG each of these colours is
replaced by a CSS variable, so that the report's figures follow its theme, light or dark.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

INK, MUTED, LINE, PAPER = "#1c2128", "#5b6672", "#dde2e8", "#ffffff"
# Blue, orange and purple stay apart for the colour-blind; grey is for what is there to compare.
MODEL, SECOND, THIRD, GREY = "#1a66c2", "#c8590b", "#7a4fb5", "#8a94a0"
FOURTH, FIFTH = "#1b7f5c", "#b0316f"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    PAPER: "--paper",
    MODEL: "--model",
    SECOND: "--second",
    THIRD: "--third",
    FOURTH: "--fourth",
    FIFTH: "--fifth",
    GREY: "--grey",
}
SERIES = (MODEL, SECOND, THIRD, FOURTH, FIFTH)

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
    # A dollar in the name of a column is no formula.
    "text.parse_math": False,
    "svg.hashsalt": "report",
}
WIDTH, HEIGHT = 4.7, 3.5
PNG_DOTS_PER_INCH = 160


@contextmanager
def style() -> Iterator[None]:
    """Draw and save figures in the project's style while the block runs."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # Such a sign is a box in the PNG; the report's text has the fonts of its reader.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def canvas(width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Make a figure (inches) and its one set of axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def shortened(text: str, most: int = 26) -> str:
    """Keep a long name from taking the figure's whole width; names often differ at the end."""
    end = most // 3
    return text if len(text) <= most else f"{text[: most - end - 1]}…{text[-end:]}"


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file on white."""
    figure.savefig(path, dpi=PNG_DOTS_PER_INCH, facecolor=PAPER, metadata={"Software": None})


def to_svg(figure: Figure, description: str) -> str:
    """Give a figure as an `<svg>` element for an HTML page whose CSS has the colours."""
    written = io.StringIO()
    figure.savefig(written, format="svg", facecolor="none", metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page has many figures, so what matplotlib names in each must go, or names would clash.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)


def save_all(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write each figure as `<folder>/<name>.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save_png(figure, folder / f"{name}.png")
