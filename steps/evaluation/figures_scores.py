"""Figures of how a model does on the held-out rows. All are drawn inside `plots.style`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from steps.evaluation import plots
from steps.evaluation.bootstrap import Interval
from steps.evaluation.metrics import decide
from steps.evaluation.plots import GREY, INK, LINE, MODEL, MUTED, PAPER, SECOND, SERIES, THIRD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.core.schema import Label
    from steps.evaluation.importances import Importances
    from steps.evaluation.result import Scored, Search
    from steps.evaluation.threshold import Curves

# The scores of a search, which have a cross-validated side.
COMPARED = ("roc_auc", "precision", "recall", "f1", "accuracy")
TITLES = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "accuracy": "Accuracy",
    "brier": "Brier score",
    "log_loss": "Log loss",
}


def cross_validation(search: Search, scores: dict[str, Interval]) -> Figure:
    """Cross-validated scores (mean ± deviation of the folds) above held-out ones (95 %)."""
    names = [name for name in COMPARED if name in search.best.mean]
    axes = plots.axes(height=0.55 * len(names) + 0.85)
    for row, name in enumerate(names):
        mean, std = search.best.mean[name], search.best.std[name]
        held_out = scores[name]
        _whisker(axes, row - 0.14, mean, mean - std, mean + std, GREY)
        _whisker(axes, row + 0.14, held_out.value, held_out.low, held_out.high, MODEL)
    axes.set_yticks(range(len(names)), [TITLES[name] for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("score")
    _key(axes, [("cross-validation, ± deviation of folds", GREY), ("held-out, 95 %", MODEL)])
    return axes.figure


def roc(truth: np.ndarray, models: Sequence[Scored]) -> Figure:
    """True positive rate against false positive rate; the first model is drawn on top."""
    axes = plots.axes()
    _lines = [(model, roc_curve(truth, model.probability)[:2]) for model in models]
    for position, (model, (false_rate, true_rate)) in reversed(list(enumerate(_lines))):
        label = _label(model, "roc_auc")
        axes.plot(false_rate, true_rate, color=_colour(position), label=label, zorder=9 - position)
    _unit_square(axes, "false positive rate", "true positive rate")
    _ordered_legend(axes, "lower right")
    return axes.figure


def precision_recall(truth: np.ndarray, models: Sequence[Scored]) -> Figure:
    """Precision against recall; the dashed line is what a guess gets."""
    axes = plots.axes()
    for position, model in reversed(list(enumerate(models))):
        precision, recall, _ = precision_recall_curve(truth, model.probability)
        axes.plot(
            recall,
            precision,
            color=_colour(position),
            label=_label(model, "pr_auc"),
            drawstyle="steps-post",
            zorder=9 - position,
        )
    _unit_square(axes, "recall", "precision")
    _ordered_legend(axes, "lower left" if truth.mean() > 0.5 else "upper right")
    return axes.figure


def confusion(truth: np.ndarray, model: Scored, classes: tuple[Label, Label]) -> Figure:
    """Rows by their class and by the model's decision, shaded by the share of the class."""
    counts = confusion_matrix(truth, decide(model.probability, model.threshold))
    axes = plots.axes(height=3.0)
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
        axes.text(column, row + 0.22, f"{share:.0%} of row", ha="center", va="center", color=MUTED)
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), xlabel="decided", ylabel="is")
    labels = [str(label) for label in classes]
    axes.set_xticks([0, 1], labels)
    axes.set_yticks([0, 1], labels)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return axes.figure


def calibration(truth: np.ndarray, model: Scored, bins: int = 8) -> Figure:
    """Share of positives by predicted probability, in bins of about equally many rows.

    Whiskers are 95 % Wilson intervals. The strip below shows where the predictions lie.
    """
    edges = np.unique(np.quantile(model.probability, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of = np.searchsorted(edges, model.probability, side="left")
    axes = plots.axes()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (3, 3)))
    points = []
    for position in np.unique(bin_of):
        members = bin_of == position
        share, low, high = _wilson(int(truth[members].sum()), int(members.sum()))
        predicted = float(model.probability[members].mean())
        axes.plot([predicted, predicted], [low, high], color=MODEL, linewidth=1.2)
        points.append((predicted, share))
    axes.plot(*zip(*points, strict=True), color=MODEL, marker="o", markersize=4.5, linewidth=1)
    heights, cuts = np.histogram(model.probability, bins=25, range=(0, 1))
    axes.bar(
        cuts[:-1], 0.1 * heights / heights.max(), width=0.04, align="edge", color=GREY, alpha=0.45
    )
    _unit_square(axes, "predicted probability", "share that is positive")
    axes.text(0.03, 0.94, f"Brier score {_with_interval(model.scores['brier'])}")
    return axes.figure


def thresholds(cross_validated: Curves, held_out: Curves, threshold: float) -> Figure:
    """Precision, recall and F1 of the decisions at each threshold."""
    axes = plots.axes(height=3.0)
    for name, colour in (("precision", SECOND), ("recall", THIRD), ("f1", MODEL)):
        for curves, width, alpha in ((held_out, 0.9, 0.55), (cross_validated, 1.6, 1.0)):
            axes.plot(
                curves.thresholds,
                getattr(curves, name),
                color=colour,
                linewidth=width,
                alpha=alpha,
                linestyle="-" if curves is cross_validated else (0, (2, 2)),
                label=TITLES[name] if curves is cross_validated else None,
                drawstyle="steps-mid",
            )
    axes.axvline(threshold, color=INK, linewidth=1)
    axes.annotate(
        f"{threshold:.3g}",
        (threshold, 1.0),
        xytext=(4, 3),
        textcoords="offset points",
        annotation_clip=False,
    )
    _unit_square(axes, "threshold", "score", square=False)
    axes.legend(loc="upper right", labelcolor=INK)
    return axes.figure


def importances(found: Importances, most: int = 20) -> Figure:
    """Mean drop of ROC AUC by feature (bar), and each shuffle's drop (dots)."""
    names, drops = found.features[:most], found.drops[:most]
    axes = plots.axes(height=0.27 * len(names) + 0.75)
    rows = np.arange(len(names))
    axes.barh(rows, drops.mean(axis=1), height=0.62, color=MODEL, alpha=0.3)
    axes.plot(drops, rows, "o", color=MODEL, markersize=2.6, markeredgewidth=0, alpha=0.7)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(rows, [shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("drop of ROC AUC when shuffled")
    return axes.figure


def shortened(text: str, most: int = 26) -> str:
    """Keep a long name from taking the figure's whole width."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _whisker(axes: plots.Axes, row: float, value: float, low: float, high: float, c: str) -> None:
    axes.plot([low, high], [row, row], color=c, linewidth=2.2, alpha=0.55)
    axes.plot([value], [row], "o", color=c, markersize=6, markeredgecolor=PAPER)


def _wilson(positives: int, rows: int) -> tuple[float, float, float]:
    z = 1.96
    share = positives / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return share, float(centre - half), float(centre + half)


def _unit_square(axes: plots.Axes, x: str, y: str, *, square: bool = True) -> None:
    axes.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
    if square:
        axes.spines[["left", "bottom"]].set_color(LINE)


def _key(axes: plots.Axes, entries: Sequence[tuple[str, str]]) -> None:
    for label, colour in entries:
        axes.plot([], [], "o-", color=colour, markersize=5, label=label)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(entries), borderpad=0)


def _ordered_legend(axes: plots.Axes, place: str) -> None:
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc=place)


def _label(model: Scored, metric: str) -> str:
    return f"{model.title}  {_with_interval(model.scores[metric])}"


def _with_interval(found: Interval) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _colour(position: int) -> str:
    return SERIES[position % len(SERIES)]
