"""`drift.html`: training and scored rows side by side, one small chart per feature.

The charts are SVG of the template: matplotlib would take longer than scoring a small table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steps.base.record import Record
from steps.report.page import score, write_page
from steps.scoring.bins import MISSING, NumberBins
from steps.scoring.drift import CAUTION, FALSE_ALARMS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from steps.scoring.drift import Drift

NAME = "drift.html"
# A chart is 3 kB of the page; the table has a row for every feature.
MOST_NAMES, MOST_CHARTS = 10, 200
LONGEST_TICK = 12
# In units of the SVG, about pixels. A character is about 5.4 wide.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, CHARACTER = 320, 188, 30, 6, 48, 5.4
FLOOR = HEIGHT - BOTTOM
Y_STEPS, MOST_Y_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25), 4


@dataclass(frozen=True)
class Chart:
    """Where everything is drawn: ticks as (place, text), bars as (description, two paths)."""

    y_ticks: tuple[tuple[float, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    tilted: bool
    bars: tuple[tuple[str, str, str], ...]
    missing_from: float | None


def write(folder: Path, drifts: Sequence[Drift], limit: float, rows: int) -> Record:
    """Write the page into `folder`, largest drift first; return what to log."""
    ordered = sorted(drifts, key=lambda drift: drift.psi, reverse=True)
    over = [drift.name for drift in ordered if drift.is_over(limit)]
    content = {
        "title": f"Drift of {rows:,} scored rows",
        "limit": f"{limit:g}",
        "chance_limit": _probability(drifts[0].limit),
        "false_alarms": f"{FALSE_ALARMS:.0%}",
        "caution": CAUTION,
        "over": over[:MOST_NAMES],
        "over_count": len(over),
        "count": f"{len(ordered):,}",
        "features": [_feature(drift, limit) for drift in ordered],
        "charts": [_chart(drift) for drift in ordered[:MOST_CHARTS]],
        "size": (WIDTH, HEIGHT, LEFT, FLOOR),
        "missing": MISSING,
    }
    folder.mkdir(exist_ok=True)
    page = folder / NAME
    write_page(page, "drift.html.j2", content)
    return Record(files=((page, ""),))


def _feature(drift: Drift, limit: float) -> dict[str, Any]:
    shares = (drift.bins.missing, drift.missing, drift.below, drift.above)
    return {
        "name": drift.name,
        "over": drift.is_over(limit),
        "psi": score(drift.psi),
        "chance": _probability(drift.chance),
        "shares": [f"{share:.1%}" for share in shares],
    }


def _chart(drift: Drift) -> Chart:
    trained, scored = _shares(drift.trained), _shares(drift.scored)
    highest = max(*trained, *scored)
    step = next((s for s in Y_STEPS if highest <= s * MOST_Y_STEPS), Y_STEPS[-1])
    steps = max(1, math.ceil(highest / step - 1e-9))
    scale = (FLOOR - TOP) / (steps * step)
    width = (WIDTH - LEFT) / len(trained)
    ticks = _ticks(drift, width)
    with_missing = drift.labels[-1] == MISSING

    def path(left: float, share: float) -> str:
        return f"M{left:.1f} {FLOOR}v{-share * scale:.1f}h{width * 0.37:.1f}V{FLOOR}z"

    places = [LEFT + width * place for place in range(len(trained))]
    bars = [
        (
            f"{name}: training {before:.1%}, scored {now:.1%}",
            path(left + 0.12 * width, before),
            path(left + 0.51 * width, now),
        )
        for name, left, before, now in zip(drift.labels, places, trained, scored, strict=True)
    ]
    return Chart(
        y_ticks=tuple(
            (round(FLOOR - i * step * scale, 1), f"{i * step:.0%}") for i in range(steps + 1)
        ),
        x_ticks=tuple((round(x, 1), text) for x, text in ticks),
        tilted=max((len(text) for _, text in ticks), default=0) * CHARACTER > width - 4,
        bars=tuple(bars),
        missing_from=round(WIDTH - width, 1) if with_missing else None,
    )


def _ticks(drift: Drift, width: float) -> list[tuple[float, str]]:
    """Return places and texts of a number's cuts, or of a category's bins."""
    if isinstance(drift.bins, NumberBins):
        return [(LEFT + width * place, cut) for place, cut in enumerate(drift.bins.cuts, start=1)]
    own = [label for label in drift.labels if label != MISSING]
    return [(LEFT + width * (place + 0.5), _short(text)) for place, text in enumerate(own)]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TICK else text[: LONGEST_TICK - 1] + "…"


def _probability(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}".replace("-", "−")


def _shares(counts: np.ndarray) -> list[float]:
    shares: list[float] = (counts / max(int(counts.sum()), 1)).tolist()
    return shares
