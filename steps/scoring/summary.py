"""What a scoring run records and says, decided apart from recording and saying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.base.files import file_digest, files_digest
from steps.base.record import Record, metric_name
from steps.scoring.quarantine import rejected_name, rejected_path

if TYPE_CHECKING:
    from pathlib import Path

    from steps.scoring.score_files import ScoringResult

# Azure ML accepts this many metric names per run; the page always shows all features.
MOST_METRICS = 50
MAX_PSI = "drift.max_psi"
MOST_FEATURES = 30
MOST_CLASSES = 10
MOST_NAMED = 5
PREDICTIONS = "predictions"


def metrics(result: ScoringResult) -> dict[str, float]:
    """Give the metrics of a scoring run."""
    totals = result.totals
    found = {
        "rows_scored": float(totals.written),
        "rows_rejected": float(totals.rejected),
        "rows_per_second": totals.read / max(result.seconds, 1e-9),
        **_predicted(result),
    }
    if (labelled := totals.labelled.total()) is not None:
        found["rows_labelled"] = float(labelled.rows)
        found["rows_label_unknown"] = float(totals.unknown.rows)
        found |= {f"scored_{name}": value for name, value in labelled.scores().items()}
    unseen = {
        metric_name(f"drift.unseen.{name}"): float(rows)
        for name, rows in totals.unseen.most_common(MOST_CLASSES)
    }
    if result.drift:
        found[MAX_PSI] = max(drift.psi for drift in result.drift)
        most = sorted(result.drift, key=lambda drift: drift.psi, reverse=True)
        room = min(MOST_FEATURES, MOST_METRICS - len(found) - len(unseen))
        found |= {metric_name(f"drift.psi.{drift.name}"): drift.psi for drift in most[:room]}
    return found | unseen


def _predicted(result: ScoringResult) -> dict[str, float]:
    """Sum up the predictions: shares of the classes, or the mean of the numbers."""
    predicted, rows = result.totals.predicted, max(result.totals.written, 1)
    if predicted is None:
        return {}
    if not result.classes:
        return {"mean_prediction": float(predicted[0] / rows)}
    shares = (predicted / rows).tolist()
    if len(result.classes) == 2:
        return {"predicted_positive_rate": shares[1]}
    # The most frequent ones.
    pairs = sorted(zip(result.classes, shares, strict=True), key=lambda pair: -pair[1])
    return {metric_name(f"predicted_share.{label}"): share for label, share in pairs[:MOST_CLASSES]}


def lines(result: ScoringResult, output: str) -> tuple[str, ...]:
    """Tell what was done."""
    found, totals = metrics(result), result.totals
    said = [
        f"batch_score: {totals.written:,} rows to {output}{_told(result)} "
        f"({found['rows_per_second']:,.0f} rows/s)"
    ]
    if totals.rejected:
        rows = "row" if totals.rejected == 1 else "rows"
        said.append(
            f"batch_score: {totals.rejected:,} bad {rows} left out, to {rejected_name(output)}"
        )
    if unseen := {name: rows for name, rows in totals.unseen.most_common() if rows}:
        shown = ", ".join(f"{name} {rows:,}" for name, rows in [*unseen.items()][:MOST_NAMED])
        more = f" and {len(unseen) - MOST_NAMED} more columns" if len(unseen) > MOST_NAMED else ""
        said.append(f"batch_score: rows of a category that training has not seen: {shown}{more}")
    scores = [f"{name} {found[name]:.4g}" for name in found if name.startswith("scored_")]
    if scores:
        rows = f" of {found['rows_labelled']:,.0f} labelled rows"
        labelled = rows if found["rows_labelled"] < totals.written else ""
        said.append(f"batch_score: {', '.join(scores)}{labelled}")
    return tuple(said)


def predictions(written: Path, place: str, rejected: int, limit: float) -> Record:
    """Decide what to log of the predictions: the files, or place and digest if they are large.

    `limit` is the number of bytes to log at most, of the predictions and of the bad rows.
    """
    parts = sorted(written.iterdir()) if written.is_dir() else [written]
    files = []
    if rejected and rejected_path(written).stat().st_size <= limit:
        files.append((rejected_path(written), PREDICTIONS))
    if sum(file.stat().st_size for file in parts) <= limit:
        folder = f"{PREDICTIONS}/{written.name}" if written.is_dir() else PREDICTIONS
        return Record(files=(*files, (written, folder)))
    digest = files_digest(parts) if written.is_dir() else file_digest(written)
    tags = {"predictions.path": place, "predictions.digest": digest}
    return Record(tags=tags, files=tuple(files))


def _told(result: ScoringResult) -> str:
    found = _predicted(result)
    if "predicted_positive_rate" in found:
        return f", {found['predicted_positive_rate']:.1%} of them positive"
    if "mean_prediction" in found:
        return f", {found['mean_prediction']:.4g} on average"
    if not found:
        return ""
    name, share = next(iter(found.items()))
    return f", {share:.1%} of them {name.removeprefix('predicted_share.')}"


def label_warning(result: ScoringResult) -> str | None:
    """Describe labels that the model does not know; None if there are none."""
    unknown = result.totals.unknown
    if not unknown.rows:
        return None
    labelled = result.totals.labelled.total()
    rows = labelled.rows if labelled else 0
    expected = ", ".join(map(str, result.classes[:MOST_NAMED])) if result.classes else "numbers"
    more = " …" if len(result.classes) > MOST_NAMED else ""
    return (
        f"{rows:,} of {result.totals.written:,} scored rows have a label that the model knows "
        f"({expected}{more}); {unknown.rows:,} have another: {unknown}"
    )


def drift_warning(result: ScoringResult, threshold: float) -> str | None:
    """Name the features that drifted, most first, or None if there is none."""
    over = [drift for drift in result.drift if drift.is_over(threshold)]
    over.sort(key=lambda drift: drift.psi, reverse=True)
    if not over:
        return None
    shown = ", ".join(f"{drift.name} {drift.psi:.2f}" for drift in over[:5])
    more = f" and {len(over) - 5} more" if len(over) > 5 else ""
    return (
        f"the scored rows differ from the training rows: population stability index over "
        f"{threshold:g} for {shown}{more}; see drift.html in the run"
    )
