"""Compare trained models: a table for the terminal and `comparison.html`."""

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
from steps.model import bootstrap
from steps.model.evaluation import Scored
from steps.model.metrics import LOWER_IS_BETTER, METRICS
from steps.report import binary_figures, charts
from steps.report.page import metric_title, signed, with_interval, write_page

if TYPE_CHECKING:
    from steps.model.bootstrap import Interval

NAME, PLOTS = "comparison.html", "plots"
SHOWN_IN_TERMINAL = ("roc_auc", "f1", "brier")
ID_LENGTH = 8


@dataclass(frozen=True)
class Entry:
    """A run to be compared: its model's probabilities of its held-out rows.

    `rows` is `digest` of the held-out table: only models of the same rows can be compared. `seed`
    is that of the run: with it the intervals are the ones that train has logged.
    """

    run_id: str
    name: str
    params: Mapping[str, str]
    truth: np.ndarray
    probability: np.ndarray
    threshold: float
    rows: str
    seed: int

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
    """Runs with the same held-out rows; the first is what the others are compared with."""

    entries: tuple[Entry, ...]

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """Each run's scores with their intervals."""
        return tuple(
            Scored(
                title=entry.title,
                predicted=entry.probability,
                threshold=entry.threshold,
                scores=bootstrap.intervals(
                    entry.truth, entry.probability, entry.threshold, entry.seed
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
                    metric: bootstrap.difference(
                        metric,
                        first.truth,
                        (entry.probability, entry.threshold),
                        (first.probability, first.threshold),
                        entry.seed,
                    )
                    for metric in METRICS
                }
                for entry in self.entries[1:]
            ),
        )

    @property
    def varied(self) -> list[str]:
        """Names of the parameters that are not the same in all runs."""
        names = list(dict.fromkeys(name for entry in self.entries for name in entry.params))
        return [name for name in names if len({e.params.get(name) for e in self.entries}) > 1]


def group(entries: Sequence[Entry]) -> list[Group]:
    """Put runs with the same held-out rows together, in the order given."""
    by_rows: dict[str, list[Entry]] = {}
    for entry in entries:
        by_rows.setdefault(entry.rows, []).append(entry)
    return [Group(tuple(members)) for members in by_rows.values()]


def better(metric: str, found: Interval) -> bool | None:
    """Whether a difference is for the better; None if its interval holds zero."""
    if not found.excludes_zero:
        return None
    return (found.value > 0) != (metric in LOWER_IS_BETTER)


def lines(groups: Sequence[Group]) -> list[str]:
    """Lay out the comparison for the terminal."""
    found: list[str] = []
    if len(groups) > 1:
        found.append(
            f"These runs have {len(groups)} different sets of held-out rows. "
            "Scores of different sets cannot be compared."
        )
    for number, members in enumerate(groups, start=1):
        if len(groups) > 1:
            found += ["", f"Held-out rows {number} of {len(groups)}:"]
        found += _table(_cells(members))
    if any(len(members.entries) > 1 for members in groups):
        found.append("Δ is against the first run, on the same rows; * its 95 % interval is off 0")
    return found


def write(folder: Path, groups: Sequence[Group]) -> Record:
    """Write `comparison.html` into `folder`; give what is to be logged."""
    numbered = {f"roc_{number}": each for number, each in enumerate(groups, start=1)}
    with charts.style():
        figures = {
            name: binary_figures.roc(each.entries[0].truth, each.scored)
            for name, each in numbered.items()
        }
        svg = charts.write_figures(figures, folder / PLOTS)
    content = {
        "title": f"Comparison of {sum(len(each.entries) for each in groups)} runs",
        "groups": [_content(each, svg[name]) for name, each in numbered.items()],
    }
    page = folder / NAME
    write_page(page, "comparison.html.j2", content)
    return Record(files=((page, ""), (folder / PLOTS, PLOTS)))


def _cells(members: Group) -> list[list[str]]:
    rows = [["run", *members.varied, *SHOWN_IN_TERMINAL, "Δ roc_auc"]]
    for entry, scored, gap in zip(
        members.entries, members.scored, members.differences, strict=True
    ):
        rows.append(
            [
                entry.title,
                *(entry.params.get(name, "") for name in members.varied),
                *(with_interval(scored.scores[metric]) for metric in SHOWN_IN_TERMINAL),
                _gap(gap["roc_auc"]) if gap else "",
            ]
        )
    return rows


def _gap(found: Interval) -> str:
    return with_interval(found, signed) + (" *" if found.excludes_zero else "")


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _content(members: Group, svg: str) -> dict[str, Any]:
    truth = members.entries[0].truth
    names = list(dict.fromkeys(name for entry in members.entries for name in entry.params))
    same = [name for name in names if name not in members.varied]
    return {
        "svg": svg,
        "rows": f"{len(truth):,}",
        "positives": f"{int(truth.sum()):,}",
        "runs": [
            {
                "title": entry.title,
                "run_id": entry.run_id,
                "line": charts.series(position),
                "threshold": f"{entry.threshold:.3g}",
            }
            for position, entry in enumerate(members.entries)
        ],
        "varied": [
            (name, [entry.params.get(name, "") for entry in members.entries])
            for name in members.varied
        ],
        "same": [(name, members.entries[0].params[name]) for name in same],
        "metrics": [
            {
                "title": metric_title(metric),
                "cells": [
                    {
                        "score": scored.scores[metric],
                        "gap": gap.get(metric),
                        "better": better(metric, gap[metric]) if gap else None,
                    }
                    for scored, gap in zip(members.scored, members.differences, strict=True)
                ],
            }
            for metric in METRICS
        ],
    }
