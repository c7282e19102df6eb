"""Figures of a two-class classifier on its held-out rows; drawn inside `charts.style`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from steps.model.metrics import decide
from steps.report import charts
from steps.report.charts import GREY, INK, MODEL, MUTED, SECOND, THIRD
from steps.report.page import COLOURS, METRIC_TITLES, with_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.data.schema import Label
    from steps.model.evaluation import Scored
    from steps.model.threshold import Curves

# The most and the longest names that fit in a plot beside its curves.
MOST_INSIDE, LONGEST_INSIDE = 3, 24
# Scores from 0 to 1, better when higher: those that one axis can show.
UNIT_SCORES = ("roc_auc", "pr_auc", "precision", "recall", "f1", "accuracy")


def roc(truth: np.ndarray, models: Sequence[Scored]) -> Figure:
    """Draw true against false positive rate; the first model is on top."""
    figure, axes = charts.canvas()
    for position, model in enumerate(models):
        false_rate, true_rate, _ = roc_curve(truth, model.probability)
        axes.plot(false_rate, true_rate, **_line(position, model, "roc_auc"))
    charts.unit_square(axes, "false positive rate", "true positive rate")
    if len(models) <= MOST_INSIDE and all(len(m.title) <= LONGEST_INSIDE for m in models):
        axes.legend(loc="lower right")
        return figure
    # Many names, or long ones, would cover the curves.
    figure.set_figheight(charts.HEIGHT + 0.19 * len(models))
    axes.legend(loc="upper left", bbox_to_anchor=(-0.15, -0.15))
    return figure


def precision_recall(truth: np.ndarray, models: Sequence[Scored]) -> Figure:
    """Draw precision against recall; an uninformed model has the share of positives."""
    figure, axes = charts.canvas()
    for position, model in enumerate(models):
        look = _line(position, model, "pr_auc")
        if _knows_nothing(model):
            axes.plot([0, 1], [truth.mean()] * 2, **look)
            continue
        precision, recall, _ = precision_recall_curve(truth, model.probability)
        axes.plot(recall, precision, **look, drawstyle="steps-post")
    charts.unit_square(axes, "recall", "precision")
    # A good model's curve passes through the upper right, and so does that of chance where most
    # rows are positive.
    high = max(truth.mean() + 0.25, models[0].scores["pr_auc"].value) > 0.75
    axes.legend(loc="lower left" if high else "upper right")
    return figure


def confusion(truth: np.ndarray, model: Scored, classes: tuple[Label, ...]) -> Figure:
    """Show rows by their class and by the model's decision, shaded by the share of the class."""
    counts = confusion_matrix(truth, decide(model.probability, model.threshold))
    figure, axes = charts.canvas(height=3.0)
    for row, column in np.ndindex(2, 2):
        count, share = counts[row, column], counts[row, column] / counts[row].sum()
        axes.add_patch(
            Rectangle(
                (column - 0.48, row - 0.48),
                0.96,
                0.96,
                facecolor=MODEL if row == column else SECOND,
                alpha=0.06 + 0.44 * share,
                linewidth=0,
            )
        )
        axes.text(column, row - 0.05, f"{count:,}", ha="center", va="center", fontsize=15)
        axes.text(
            column, row + 0.22, f"{share:.0%} of class", ha="center", va="center", color=MUTED
        )
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), xlabel="decision", ylabel="class")
    # A label below has half the width of the figure.
    labels = [charts.shortened(str(label), 20) for label in classes]
    axes.set_xticks([0, 1], labels)
    axes.set_yticks([0, 1], labels)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def thresholds(cross_validated: Curves, held_out: Curves, threshold: float) -> Figure:
    """Draw precision, recall and F1 of the decisions at each threshold."""
    figure, axes = charts.canvas(height=3.0)
    for name, colour in (("precision", SECOND), ("recall", THIRD), ("f1", MODEL)):
        for curves, width, alpha in ((held_out, 0.9, 0.55), (cross_validated, 1.6, 1.0)):
            # Without a true positive, precision says nothing.
            decided = curves.recall > 0
            axes.plot(
                curves.thresholds[decided],
                getattr(curves, name)[decided],
                color=colour,
                linewidth=width,
                alpha=alpha,
                linestyle="-" if curves is cross_validated else (0, (2, 2)),
                label=METRIC_TITLES[name] if curves is cross_validated else None,
                drawstyle="steps-mid",
            )
    axes.axvline(threshold, color=INK, linewidth=1)
    charts.unit_square(axes, "threshold", "score", square=False)
    charts.legend_above(axes, 3)
    return figure


def _line(position: int, model: Scored, metric: str) -> dict[str, Any]:
    colour, dash = charts.series(position)
    look: dict[str, Any] = {
        "label": f"{charts.legend_name(model.title)}  {with_interval(model.scores[metric])}",
        "color": COLOURS[colour][0],
        "linestyle": charts.DASHES[dash],
        "zorder": 30 - position,
    }
    if _knows_nothing(model):
        look.update(color=GREY, linewidth=1, linestyle=(0, (3, 3)))
    return look


def _knows_nothing(model: Scored) -> bool:
    return bool(np.ptp(model.probability) == 0)
