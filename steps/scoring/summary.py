"""What a scoring run records and says, decided apart from recording and saying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.base.record import metric_name
from steps.scoring.quarantine import rejected_path

if TYPE_CHECKING:
    from pathlib import Path

    from steps.scoring.score_files import ScoringResult

# Azure ML takes 50 metric names per run; the page shows all features whatever their number.
MOST_FEATURES = 30


def metrics(result: ScoringResult) -> dict[str, float]:
    """Give the metrics of a scoring run."""
    totals = result.totals
    found = {
        "rows_scored": float(totals.written),
        "rows_rejected": float(totals.rejected),
        "predicted_positive_rate": totals.positive / max(totals.written, 1),
        "rows_per_second": totals.read / max(result.seconds, 1e-9),
    }
    labelled = totals.labelled.total()
    if labelled is not None and labelled.rows:
        found["rows_labelled"] = float(labelled.rows)
        found |= {f"scored_{name}": value for name, value in labelled.scores().items()}
    if result.drift:
        found["drift.max_psi"] = max(drift.psi for drift in result.drift)
        most = sorted(result.drift, key=lambda drift: drift.psi, reverse=True)[:MOST_FEATURES]
        found |= {metric_name(f"drift.psi.{drift.bins.name}"): drift.psi for drift in most}
    return found


def lines(result: ScoringResult, output: Path) -> tuple[str, ...]:
    """Tell what was done."""
    found = metrics(result)
    said = [
        f"batch_score: {result.totals.written:,} rows to {output}, "
        f"{found['predicted_positive_rate']:.1%} of them positive "
        f"({found['rows_per_second']:,.0f} rows/s)"
    ]
    if result.totals.rejected:
        rows = "row" if result.totals.rejected == 1 else "rows"
        said.append(
            f"batch_score: {result.totals.rejected:,} bad {rows} left out, "
            f"to {rejected_path(output)}"
        )
    scores = [f"{name} {found[name]:.3f}" for name in found if name.startswith("scored_")]
    if scores:
        said.append(f"batch_score: {', '.join(scores)}")
    return tuple(said)


def drift_warning(result: ScoringResult, threshold: float) -> str | None:
    """Name the features that drifted, most first, or None if there is none."""
    over = [drift for drift in result.drift if drift.is_over(threshold)]
    over.sort(key=lambda drift: drift.psi, reverse=True)
    if not over:
        return None
    shown = ", ".join(f"{drift.bins.name} {drift.psi:.2f}" for drift in over[:5])
    more = f" and {len(over) - 5} more" if len(over) > 5 else ""
    return (
        f"the scored rows differ from the training rows: population stability index over "
        f"{threshold:g} for {shown}{more}; see drift.html in the run"
    )
