"""Figures of a classifier of more than two classes; drawn inside `charts.style`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import roc_curve

from steps.report import charts
from steps.report.charts import MODEL, MUTED, SECOND, shortened
from steps.report.page import COLOURS, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from steps.model.details import ClassScores

# Scores from 0 to 1, better when higher: those that one axis can show.
UNIT_SCORES = ("roc_auc", "accuracy", "balanced_accuracy", "precision", "recall", "f1")
# More curves hide one another; more classes do not fit a matrix.
MOST_CURVES, MOST_IN_MATRIX = 6, 20
MOST_WITH_SHARES, MOST_IN_NARROW = 4, 6


def roc(truth: np.ndarray, probability: np.ndarray, each: Sequence[ClassScores]) -> Figure:
    """Draw a curve for each class against all others; of many classes, for the hardest ones.

    `truth` holds positions of classes, `probability` is (rows, classes).
    """
    areas = [
        (one.roc_auc, position) for position, one in enumerate(each) if one.roc_auc is not None
    ]
    figure, axes = charts.canvas()
    for place, (area, position) in enumerate(sorted(areas)[:MOST_CURVES]):
        false_rate, true_rate, _ = roc_curve(truth == position, probability[:, position])
        colour, dash = charts.series(place)
        axes.plot(
            false_rate,
            true_rate,
            color=COLOURS[colour][0],
            linestyle=charts.DASHES[dash],
            label=f"{charts.legend_name(str(each[position].label), 22)}  {score(area)}",
        )
    charts.unit_square(axes, "false positive rate", "true positive rate")
    if areas:
        axes.legend(loc="lower right")
    return figure


def matrix(confusion: np.ndarray, classes: Sequence[str]) -> Figure:
    """Show rows by their class and by the predicted one, shaded by the share of the class."""
    count, wide = len(classes), len(classes) > MOST_IN_NARROW
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure, axes = charts.canvas(
        charts.WIDTH * (2 if wide else 1), 0.9 + (0.36 if wide else 0.55) * count
    )
    size = 12 if not wide else 9 if count <= 12 else 7.5
    for row, column in np.ndindex(count, count):
        found, share = int(confusion[row, column]), float(shares[row, column])
        if found:
            shade = MODEL if row == column else SECOND
            corner = (column - 0.48, row - 0.48)
            axes.add_patch(
                Rectangle(
                    corner, 0.96, 0.96, facecolor=shade, alpha=0.06 + 0.5 * share, linewidth=0
                )
            )
        with_share = count <= MOST_WITH_SHARES
        axes.text(
            column,
            row - (0.12 if with_share else 0),
            f"{found:,}",
            ha="center",
            va="center",
            fontsize=size,
            color=charts.INK if found else MUTED,
        )
        if with_share:
            axes.text(column, row + 0.24, f"{share:.0%}", ha="center", va="center", color=MUTED)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    axes.set(xlabel="predicted class", ylabel="class")
    names = [shortened(name, 18) for name in classes]
    tilted = max(map(len, names)) * count > (110 if wide else 44)
    axes.set_xticks(
        range(count), names, rotation=40 if tilted else 0, ha="right" if tilted else "center"
    )
    axes.set_yticks(range(count), names)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def recalls(each: Sequence[ClassScores]) -> Figure:
    """Draw the distribution of recall over many classes."""
    found = [one.recall for one in each if one.rows]
    figure, axes = charts.canvas(height=3.0)
    axes.hist(found, bins=20, range=(0, 1), color=MODEL, alpha=0.45, rwidth=0.92)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="recall", ylabel="classes", xlim=(-0.01, 1.01))
    return figure
