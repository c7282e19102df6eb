"""Can a probability be read as a chance? One figure for a classifier of any classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steps.report import charts
from steps.report.charts import GREY, MODEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Where the axes may end.
ENDS = (0.2, 0.4, 1.0)


def calibration(
    happened: np.ndarray,
    probability: np.ndarray,
    labels: tuple[str, str],
    note: str = "",
    bins: int = 8,
) -> Figure:
    """Show the share of rows in which something `happened` by its predicted probability.

    Bins hold about equally many rows. Whiskers are 95 % Wilson intervals. The strip below shows
    where the predictions lie. `labels` name the axes; they end where all of it lies, if that is
    far from 1, as with many classes.
    """
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of = np.searchsorted(edges, probability, side="left")
    figure, axes = charts.canvas()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (3, 3)))
    points, highest = [], float(probability.max())
    for position in np.unique(bin_of):
        members = bin_of == position
        share, low, high = _wilson(int(happened[members].sum()), int(members.sum()))
        predicted = float(probability[members].mean())
        axes.plot([predicted, predicted], [low, high], color=MODEL, linewidth=1.2)
        points.append((predicted, share))
        highest = max(highest, high)
    axes.plot(*zip(*points, strict=True), color=MODEL, marker="o", markersize=4.5, linewidth=1)
    end = next((each for each in ENDS if each >= highest), 1.0)
    heights, cuts = np.histogram(probability, bins=25, range=(0, end))
    axes.bar(
        cuts[:-1],
        0.1 * end * heights / heights.max(),
        width=0.04 * end,
        align="edge",
        color=GREY,
        alpha=0.45,
    )
    charts.unit_square(axes, *labels, end=end)
    axes.text(0.03 * end, 0.94 * end, note)
    return figure


def _wilson(positives: int, rows: int) -> tuple[float, float, float]:
    z = 1.96
    share = positives / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return share, float(centre - half), float(centre + half)
