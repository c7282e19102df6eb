"""`drift.html`: training and scored rows side by side, one small chart per feature.

One file without scripts or anything to fetch; light or dark as the reader's system is.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from steps.scoring.drift import Drift

MISSING = "missing"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 320, 170, 34, 8, 34

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --page: #ffffff; --card: #f6f8fa; --train: #8c959f; --scored: #0969da; --over: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d;
  --page: #0d1117; --card: #151b23; --train: #6e7681; --scored: #58a6ff; --over: #ff8a80; } }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 0; }
p { color: var(--soft); margin: .3rem 0 1rem; max-width: 50rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
.over { color: var(--over); font-weight: 600; }
.cards { display: grid; gap: 1rem; margin-top: 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .8rem 1rem; }
.card p { margin: 0 0 .4rem; font-size: .85rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 9.5px; }
.axis { stroke: var(--line); } .train { fill: var(--train); } .scored { fill: var(--scored); }
.key { display: inline-block; width: .7em; height: .7em; border-radius: 2px; }
"""


def page(drifts: Sequence[Drift], threshold: float, title: str) -> str:
    """Make the page; features that differ most come first."""
    ordered = sorted(drifts, key=lambda drift: drift.psi, reverse=True)
    over = [drift.bins.name for drift in ordered if drift.is_over(threshold)]
    found = f"Over the threshold: {', '.join(over)}." if over else "No feature is over it."
    rows = "\n".join(_row(drift, threshold) for drift in ordered)
    cards = "\n".join(_card(drift, threshold) for drift in ordered)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>The population stability index (PSI) compares how the rows fall into the bins of the training
rows; rows without a value are a bin of their own. Drift is a PSI over {threshold:g} that is also
more than what tables of this size show by chance (95 of 100 stay below). {escape(found)}</p>
<div class="scroll"><table>
<thead><tr><th>feature</th><th>PSI</th><th>by chance</th><th>missing, training</th>
<th>missing, scored</th><th>below the training range</th><th>above it</th></tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
<div class="cards">
{cards}
</div>
</body>
</html>
"""


def _row(drift: Drift, threshold: float) -> str:
    mark = ' class="over"' if drift.is_over(threshold) else ""
    shares = (drift.bins.missing, drift.missing, drift.below, drift.above)
    cells = "".join(f"<td>{share:.1%}</td>" for share in shares)
    return (
        f"<tr{mark}><td>{escape(drift.bins.name)}</td><td>{drift.psi:.3f}</td>"
        f"<td>{drift.by_chance:.3f}</td>{cells}</tr>"
    )


def _card(drift: Drift, threshold: float) -> str:
    name = escape(drift.bins.name)
    mark = ' class="over"' if drift.is_over(threshold) else ""
    return f"""<div class="card"><h2{mark}>{name}</h2>
<p>PSI {drift.psi:.3f} &nbsp; <span class="key" style="background:var(--train)"></span> training
&nbsp;<span class="key" style="background:var(--scored)"></span> scored</p>
{_chart(drift)}</div>"""


def _chart(drift: Drift) -> str:
    pairs = list(zip(_shares(drift.trained), _shares(drift.scored), strict=True))
    top = max(max(pair) for pair in pairs) or 1.0
    step = (WIDTH - LEFT) / len(pairs)
    scale = (HEIGHT - TOP - BOTTOM) / top
    floor = HEIGHT - BOTTOM
    bars, labels = [], _labels(drift)
    for position, pair in enumerate(pairs):
        left = LEFT + position * step
        for side, (share, kind) in enumerate(zip(pair, ("train", "scored"), strict=True)):
            height = share * scale
            bars.append(
                f'<rect class="{kind}" x="{left + step * (0.1 + 0.4 * side):.1f}" '
                f'y="{floor - height:.1f}" width="{step * 0.4:.1f}" height="{height:.1f}">'
                f"<title>{escape(labels[position])}: {share:.1%}</title></rect>"
            )
    ticks = "".join(
        f'<text x="{LEFT + (position + 1) * step:.1f}" y="{floor + 12}" text-anchor="end" '
        f'transform="rotate(-40 {LEFT + (position + 1) * step:.1f} {floor + 12})">{edge:.4g}</text>'
        for position, edge in enumerate(drift.bins.edges)
    )
    if labels[-1] == MISSING:
        ticks += f'<text x="{WIDTH}" y="{floor + 12}" text-anchor="end">{MISSING}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(drift.bins.name)}: share of rows per bin">'
        f'<line class="axis" x1="{LEFT}" y1="{floor}" x2="{WIDTH}" y2="{floor}"/>'
        f'<text x="{LEFT - 4}" y="{TOP + 8}" text-anchor="end">{top:.0%}</text>'
        f'<text x="{LEFT - 4}" y="{floor}" text-anchor="end">0</text>'
        f"{''.join(bars)}{ticks}</svg>"
    )


def _shares(counts: np.ndarray) -> list[float]:
    return [float(count) / max(int(counts.sum()), 1) for count in counts]


def _labels(drift: Drift) -> list[str]:
    edges = [f"{edge:.4g}" for edge in drift.bins.edges]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    labels = [f"up to {edges[0]}", *between, f"over {edges[-1]}"] if edges else ["all"]
    return labels if len(labels) == len(drift.scored) else [*labels, MISSING]
