"""Compare trained models of any task: a table for the terminal and `comparison.html`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steps.base.record import Record
from steps.model.evaluation import Scored
from steps.model.metrics import LOWER_IS_BETTER
from steps.report import binary_figures, charts
from steps.report.page import (
    ERRORS,
    metric_title,
    signed_writer,
    with_interval,
    write_page,
    writer,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steps.model.bootstrap import Interval
    from steps.model.task import Task

NAME, PLOTS = "comparison.html", "plots"
# Each task shows those of these metrics that it has.
SHOWN_IN_TERMINAL = ("roc_auc", "f1", "brier", "balanced_accuracy", "r2", "mae", "rmse")
ID_LENGTH = 8


@dataclass(frozen=True)
class Entry:
    """A run to be compared: its model's predictions of its held-out rows.

    `truth` and `predicted` are as the task gives them. `rows` is `digest` of the held-out table:
    only models with the same rows and target can be compared. `seed` is the run's own, which
    makes the intervals equal to those that train logged, as does `exact`.
    """

    run_id: str
    name: str
    params: Mapping[str, str]
    task: Task
    target: str
    truth: np.ndarray
    predicted: np.ndarray
    threshold: float
    rows: str
    seed: int
    exact: bool

    @property
    def title(self) -> str:
        """The run's short name."""
        return f"{self.name} {self.run_id[:ID_LENGTH]}".strip()


def digest(table: pd.DataFrame) -> str:
    """Name the content of a table: the same rows in the same order give the same digest."""
    content = hashlib.sha256("\0".join(map(str, table.columns)).encode())
    content.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return content.hexdigest()


@dataclass(frozen=True)
class Group:
    """Runs with the same held-out rows; the others are compared with the first."""

    entries: tuple[Entry, ...]

    @property
    def task(self) -> Task:
        """What all of them predict."""
        return self.entries[0].task

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """Each run's scores with their intervals."""
        return tuple(
            Scored(
                title=entry.title,
                predicted=entry.predicted,
                threshold=entry.threshold,
                scores=entry.task.intervals(
                    entry.truth,
                    entry.predicted,
                    entry.threshold,
                    entry.seed,
                    exact=entry.exact,
                ),
            )
            for entry in self.entries
        )

    @cached_property
    def differences(self) -> tuple[Mapping[str, Interval], ...]:
        """Each run's scores less those of the first run; nothing for the first itself.

        Drawn as the gate draws a challenger against the champion: with the challenger's seed.
        """
        first = self.entries[0]
        return (
            {},
            *(
                {
                    metric: self.task.difference(
                        metric,
                        first.truth,
                        (entry.predicted, entry.threshold),
                        (first.predicted, first.threshold),
                        entry.seed,
                        exact=entry.exact,
                    )
                    for metric in self.task.metrics
                }
                for entry in self.entries[1:]
            ),
        )

    @property
    def varied(self) -> list[str]:
        """Names of the parameters that differ between runs."""
        names = list(dict.fromkeys(name for entry in self.entries for name in entry.params))
        return [name for name in names if len({e.params.get(name) for e in self.entries}) > 1]


def group(entries: Sequence[Entry]) -> list[Group]:
    """Put runs with the same held-out rows and target together, in the order given."""
    alike: dict[object, list[Entry]] = {}
    for entry in entries:
        same = (entry.rows, entry.target, entry.task.classes)
        alike.setdefault(same, []).append(entry)
    return [Group(tuple(members)) for members in alike.values()]


def better(metric: str, found: Interval) -> bool | None:
    """Whether a difference is for the better; None if its interval holds zero."""
    if not found.excludes_zero:
        return None
    return (found.value > 0) != (metric in LOWER_IS_BETTER or metric in ERRORS)


def lines(groups: Sequence[Group]) -> list[str]:
    """Lay out the comparison for the terminal."""
    found: list[str] = []
    if len(groups) > 1:
        found.append(
            f"These runs have {len(groups)} different sets of held-out rows; "
            "only scores on the same rows can be compared."
        )
    for number, members in enumerate(groups, start=1):
        if len(groups) > 1:
            found += ["", f"Held-out rows {number} of {len(groups)}:"]
        found += _table(_cells(members))
    if any(len(members.entries) > 1 for members in groups):
        found.append("Δ is the difference from the first run; * marks a 95 % interval without 0")
    return found


def write(folder: Path, groups: Sequence[Group]) -> Record:
    """Write `comparison.html` into `folder`; return what to log."""
    with charts.style():
        figures = {
            f"{'roc' if _has_curves(each) else each.task.main}_{number}": _figure(each)
            for number, each in enumerate(groups, start=1)
        }
        svg = charts.write_figures(figures, folder / PLOTS)
    content = {
        "title": f"Comparison of {sum(len(each.entries) for each in groups)} runs",
        "groups": [_content(each, drawn) for each, drawn in zip(groups, svg.values(), strict=True)],
    }
    page = folder / NAME
    write_page(page, "comparison.html.j2", content)
    return Record(files=((page, ""), (folder / PLOTS, PLOTS)))


def _has_curves(members: Group) -> bool:
    return len(members.task.classes) == 2


def _figure(members: Group) -> Figure:
    if _has_curves(members):
        return binary_figures.roc(members.entries[0].truth, members.scored)
    main = members.task.main
    scores = [scored.scores[main] for scored in members.scored]
    return charts.scores_of_runs([entry.title for entry in members.entries], scores, main)


def _cells(members: Group) -> list[list[str]]:
    shown = [metric for metric in SHOWN_IN_TERMINAL if metric in members.task.metrics]
    main = members.task.main
    rows = [["run", *members.varied, *shown, f"Δ {main}"]]
    for entry, scored, gap in zip(
        members.entries, members.scored, members.differences, strict=True
    ):
        rows.append(
            [
                entry.title,
                *(entry.params.get(name, "") for name in members.varied),
                *(with_interval(scored.scores[metric], writer(metric)) for metric in shown),
                _gap(main, gap[main]) if gap else "",
            ]
        )
    return rows


def _gap(metric: str, found: Interval) -> str:
    return with_interval(found, signed_writer(metric)) + (" *" if found.excludes_zero else "")


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _content(members: Group, svg: str) -> dict[str, Any]:
    entries, task = members.entries, members.task
    names = list(dict.fromkeys(name for entry in entries for name in entry.params))
    return {
        "svg": svg,
        "curves": _has_curves(members),
        "main_title": metric_title(task.main),
        "rows": _rows(members),
        "runs": [
            {
                "title": entry.title,
                "run_id": entry.run_id,
                "line": charts.series(position),
                "threshold": f"{entry.threshold:.3g}",
            }
            for position, entry in enumerate(entries)
        ],
        "varied": [
            (name, [entry.params.get(name, "") for entry in entries]) for name in members.varied
        ],
        "same": [(name, entries[0].params[name]) for name in names if name not in members.varied],
        "metrics": [_metric(members, metric) for metric in task.metrics],
        "lower_is_better": [
            metric_title(metric)
            for metric in task.metrics
            if metric in LOWER_IS_BETTER or metric in ERRORS
        ],
    }


def _rows(members: Group) -> str:
    first, classes = members.entries[0], len(members.task.classes)
    rows = f"{len(first.truth):,} held-out rows"
    if classes == 2:
        return f"{rows}, {int(first.truth.sum()):,} positive"
    return f"{rows} of {first.target}" + (f", {classes:,} classes" if classes else "")


def _metric(members: Group, metric: str) -> dict[str, Any]:
    return {
        "title": metric_title(metric),
        "number": writer(metric),
        "signed": signed_writer(metric),
        "cells": [
            {
                "score": scored.scores[metric],
                "gap": gap.get(metric),
                "better": better(metric, gap[metric]) if gap else None,
            }
            for scored, gap in zip(members.scored, members.differences, strict=True)
        ],
    }
