"""`monitor.html`: how a model performs over time, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steps.base.record import Record
from steps.report import heat_map, monitor_charts, timeline
from steps.report.page import score, write_page
from steps.scoring import alerts
from steps.scoring.windows import Window, spells

if TYPE_CHECKING:
    from pathlib import Path

    from steps.scoring.alerts import Alert

NAME = "monitor.html"
# More could not be told apart.
MOST_WINDOWS = 150


def write(
    folder: Path, shown: str, windows: Sequence[Window], found: Sequence[Alert], threshold: float
) -> Record:
    """Write the page into `folder`; return what to log."""
    drawn = windows[-MOST_WINDOWS:]
    page = folder / NAME
    write_page(page, "monitor.html.j2", _content(shown, windows, drawn, found, threshold))
    return Record(files=((page, ""),))


def _content(
    shown: str,
    windows: Sequence[Window],
    drawn: Sequence[Window],
    found: Sequence[Alert],
    threshold: float,
) -> dict[str, Any]:
    signals = alerts.alarming(drawn, threshold)
    alarmed = {
        window.run_id: frozenset(each.what for each in each_signals)
        for window, each_signals in zip(drawn, signals, strict=True)
    }
    newest = windows[-1]
    return {
        "title": f"How {shown} performs",
        "count": f"{len(windows):,} scoring run" + ("s" if len(windows) > 1 else ""),
        "span": f"{windows[0].day} to {newest.day}" if len(windows) > 1 else newest.day,
        "left_out": len(windows) - len(drawn),
        "alerts": [str(alert) for alert in found],
        "tiles": _tiles(newest),
        "rows": monitor_charts.rows(drawn),
        "levels": monitor_charts.levels(drawn, alarmed),
        "features": heat_map.drift(drawn, threshold, alarmed),
        "partial": any(window.features > len(window.psi) for window in drawn),
        "unseen": heat_map.unseen(drawn),
        "scores": monitor_charts.scores(drawn, alarmed),
        "estimated": any(window.estimates for window in drawn),
        "uncalibrated": newest.reference.uncalibrated if newest.reference else None,
        "models": [
            (window.day, window.version, window.tags.get("model.run_id", ""))
            for _, window in spells(drawn)
        ],
        "table": [_row(window, alarmed) for window in reversed(drawn)],
        "limit": f"{threshold:g}",
        "false_alarms": f"{alerts.FALSE_ALARMS:.0%}",
        "together": alerts.TOGETHER,
        "least_shift": f"{alerts.LEAST_SHIFT:g}",
        "least_drop": f"{alerts.LEAST_DROP:g}",
        "chart": timeline,
        "map": heat_map,
    }


def _tiles(window: Window) -> list[tuple[str, str, str]]:
    """Give name, value and a remark of what matters most in the newest window."""
    read = window.rows + window.rejected
    tiles = [("rows scored", f"{window.rows:,}", f"{window.day}, {window.version}")]
    if read:
        tiles.append(
            ("rejected", f"{100 * window.rejected / read:.3g}%", f"{window.rejected:,} rows")
        )
    for name in monitor_charts.PREDICTED:
        if name in window.metrics:
            value = monitor_charts.number_of(name)(window.metrics[name])
            tiles.append((monitor_charts.TITLES[name].lower(), value, ""))
            break
    if "drift.max_psi" in window.metrics:
        value = score(window.metrics["drift.max_psi"])
        tiles.append(("largest PSI", value, max(window.psi, key=lambda name: window.psi[name])))
    name, value, origin = monitor_charts.shown_score(window)
    tiles.append((name or "score", value, origin or ("labelled" if name else "no labels yet")))
    return tiles


def _row(window: Window, alarmed: monitor_charts.Alarmed) -> dict[str, Any]:
    level = next((name for name in monitor_charts.PREDICTED if name in window.metrics), None)
    psi = window.metrics.get("drift.max_psi")
    name, value, origin = monitor_charts.shown_score(window)
    return {
        "at": f"{window.at:%Y-%m-%d %H:%M}",
        "run": window.run_id,
        "model": window.version,
        "rows": f"{window.rows:,}",
        "rejected": f"{window.rejected:,}",
        "level": monitor_charts.number_of(level)(window.metrics[level]) if level else "–",
        "psi": "–" if psi is None else score(psi),
        "score": f"{value} {origin}".strip(),
        "score_name": name,
        "alarms": ", ".join(sorted(alarmed[window.run_id])),
    }
