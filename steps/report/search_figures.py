"""Figures of a search: each candidate's score, and the score over the hyper-parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from steps.report import charts
from steps.report.charts import GREY, INK, MODEL, MUTED, PAPER, SECOND, shortened
from steps.report.search_layout import (
    LONGEST,
    LONGEST_WIDE,
    MOST_CANDIDATES,
    MOST_LINES,
    MOST_VALUES,
    axis_title,
    descriptions,
    family,
    is_wide,
    kind,
    places,
    ranked,
    score_text,
    short,
    shown_score,
    value_text,
    values,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from steps.model.fitted_search import ScoredCandidate, SearchSummary

# This many of thousands of candidates already show the same curve.
MOST_RANKS = 400
OVERVIEW_HEIGHT = 1.6


def candidates(search: SearchSummary) -> Figure:
    """Show mean and deviation over the folds of the best candidates, best first.

    If there are more than can be named, all are shown by their rank above these.
    """
    ordered = ranked(search)
    shown = ordered[:MOST_CANDIDATES]
    width = _width(search)
    height = max(1.6, 0.23 * len(shown) + 0.75)
    if len(shown) == len(ordered):
        figure, axes = charts.canvas(width, height)
    else:
        figure = Figure(figsize=(width, height + OVERVIEW_HEIGHT))
        overview, axes = figure.subplots(2, 1, height_ratios=(OVERVIEW_HEIGHT, height))
        _by_rank(overview, ordered, search)
    _named(axes, shown, search)
    return figure


def _named(axes: Axes, shown: Sequence[ScoredCandidate], search: SearchSummary) -> None:
    for row, candidate in enumerate(shown):
        mean, std = shown_score(search, candidate), candidate.std[search.metric]
        colour = SECOND if candidate is search.best else MODEL
        axes.plot([mean - std, mean + std], [row, row], color=colour, linewidth=2, alpha=0.45)
        axes.plot([mean], [row], "o", color=colour, markersize=5, markeredgecolor=PAPER)
    most = LONGEST_WIDE if is_wide(search) else LONGEST
    labels = [shortened(text, most) for text in descriptions(search, shown)]
    axes.set_yticks(range(len(shown)), labels)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{axis_title(search)}, mean ± deviation of {search.folds} folds")


def _by_rank(axes: Axes, ordered: Sequence[ScoredCandidate], search: SearchSummary) -> None:
    ranks = np.unique(np.linspace(0, len(ordered) - 1, MOST_RANKS).astype(int))
    mean = np.array([shown_score(search, ordered[rank]) for rank in ranks])
    std = np.array([ordered[rank].std[search.metric] for rank in ranks])
    axes.fill_between(ranks + 1, mean - std, mean + std, color=MODEL, alpha=0.15, linewidth=0)
    axes.plot(ranks + 1, mean, color=MODEL)
    axes.set(xlabel="candidates by rank", ylabel=axis_title(search), xlim=(1, len(ordered)))


def hyper_parameters(search: SearchSummary) -> Figure | None:
    """Draw the score over what was varied; None if nothing was."""
    varied = search.varied
    match kind(search):
        case "line":
            return _line(search, varied[0])
        case "heat map":
            return _heat_map(search, *varied)
        case "parallel":
            return _parallel(search, varied)
        case "families":
            return _families(search)
        case _:
            return None


def _families(search: SearchSummary) -> Figure:
    names = list(dict.fromkeys(family(one) for one in ranked(search)))
    figure, axes = charts.canvas(_width(search), 0.42 * len(names) + 0.8)
    for row, name in enumerate(names):
        members = [one for one in ranked(search) if family(one) == name][:MOST_LINES]
        scores = [shown_score(search, one) for one in members]
        axes.plot(scores, [row] * len(scores), "o", color=MODEL, markersize=6, alpha=0.5)
        if search.best in members:
            axes.plot([shown_score(search, search.best)], [row], "o", color=SECOND, markersize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(axis_title(search))
    return figure


def _line(search: SearchSummary, name: str) -> Figure:
    tried, place = values(search, name), places(search, name)
    figure, axes = charts.canvas(_width(search))
    ordered = sorted(search.candidates, key=place)
    x = np.array([place(c) for c in ordered])
    mean = np.array([shown_score(search, c) for c in ordered])
    std = np.array([c.std[search.metric] for c in ordered])
    axes.fill_between(x, mean - std, mean + std, color=MODEL, alpha=0.15, linewidth=0)
    axes.plot(x, mean, "o-" if len(x) <= MOST_LINES else "-", color=MODEL, markersize=5)
    axes.plot(
        [place(search.best)], [shown_score(search, search.best)], "o", color=SECOND, markersize=8
    )
    step = 1 + (len(tried) - 1) // MOST_VALUES
    axes.set_xticks(range(0, len(tried), step), [_tick(v) for v in tried[::step]])
    axes.set(xlabel=short(name), ylabel=axis_title(search))
    return figure


def _heat_map(search: SearchSummary, across: str, down: str) -> Figure:
    columns, rows = values(search, across), values(search, down)
    column_of, row_of = places(search, across), places(search, down)
    means = [c.mean[search.metric] for c in search.candidates]
    lowest, spread = min(means), (max(means) - min(means)) or 1.0
    figure, axes = charts.canvas(_width(search), min(5.0, 0.5 * len(rows) + 1.1))
    size = 9.5 if len(columns) <= 6 else 7
    for candidate in search.candidates:
        x, y = column_of(candidate), row_of(candidate)
        mean = candidate.mean[search.metric]
        best = candidate is search.best
        # The shade is laid over the page, so it works on a light and on a dark one.
        axes.add_patch(
            Rectangle(
                (x - 0.47, y - 0.47),
                0.94,
                0.94,
                facecolor=MODEL,
                alpha=0.05 + 0.5 * (mean - lowest) / spread,
                linewidth=0,
            )
        )
        if best:
            frame = Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, edgecolor=SECOND)
            frame.set_linewidth(2)
            axes.add_patch(frame)
        weight = "bold" if best else "normal"
        text = score_text(search, shown_score(search, candidate))
        axes.text(x, y, text, ha="center", va="center", fontsize=size, fontweight=weight)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xticks(range(len(columns)), [_tick(value) for value in columns])
    axes.set_yticks(range(len(rows)), [_tick(value) for value in rows])
    axes.set(xlabel=short(across), ylabel=short(down))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def _parallel(search: SearchSummary, varied: tuple[str, ...]) -> Figure:
    placed = [places(search, name) for name in varied]
    tried = [values(search, name) for name in varied]
    shown = ranked(search)[:MOST_LINES]
    means = [c.mean[search.metric] for c in shown]
    lowest, highest = min(means), max(means)
    spread = (highest - lowest) or 1.0
    figure, axes = charts.canvas(_width(search), 3.6)
    for candidate in reversed(shown):
        heights = [
            place(candidate) / (len(found) - 1) for place, found in zip(placed, tried, strict=True)
        ]
        share = (candidate.mean[search.metric] - lowest) / spread
        best = candidate is search.best
        axes.plot(
            range(len(varied) + 1),
            [*heights, share],
            color=SECOND if best else MODEL,
            linewidth=2.4 if best else 1.1,
            alpha=1.0 if best else 0.08 + 0.5 * share,
            zorder=5 if best else 3,
        )
    for position, found in enumerate(tried):
        axes.axvline(position, color=GREY, linewidth=0.8, zorder=2)
        step = 1 + (len(found) - 1) // MOST_VALUES
        for place in range(0, len(found), step):
            _beside(axes, position, place / (len(found) - 1), _tick(found[place]), MUTED)
    axes.axvline(len(varied), color=INK, linewidth=0.8, zorder=2)
    # An error is the other way round: the best is at the top.
    worst, best_of_all = (shown_score(search, one) for one in (shown[-1], shown[0]))
    for share in (0, 0.5, 1):
        text = score_text(search, worst + share * (best_of_all - worst))
        _beside(axes, len(varied), share, text, INK)
    axes.set_xticks(range(len(varied) + 1), [*map(short, varied), axis_title(search)])
    axes.set(xlim=(-0.3, len(varied) + 0.3), ylim=(-0.06, 1.06), yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def _beside(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    last = colour == INK
    axes.annotate(
        text,
        (x, y),
        xytext=(6 if last else -6, 0),
        textcoords="offset points",
        ha="left" if last else "right",
        va="center",
        color=colour,
        # Lines end here from all sides: the label needs ground of its own.
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.2, "alpha": 0.85},
        zorder=9,
    )


def _width(search: SearchSummary) -> float:
    return charts.WIDTH * (2 if is_wide(search) else 1)


def _tick(value: object) -> str:
    return shortened(value_text(value), 18)
