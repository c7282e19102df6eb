"""What a scoring run records and says, decided apart from recording and saying it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from steps.base.files import file_digest, files_digest
from steps.base.record import Record, metric_name
from steps.scoring.labelled import recorded
from steps.scoring.quarantine import rejected_name, rejected_path

if TYPE_CHECKING:
    from pathlib import Path

    from steps.model.reference import Reference
    from steps.scoring.score_files import ScoringResult

# Azure ML accepts this many metric names per run; the page always shows all features.
MOST_METRICS = 50
# Of these, kept free for the scores of labels that come later.
MOST_LATE = 17
MAX_PSI = "drift.max_psi"
MOST_FEATURES = 30
MOST_CLASSES = 10
MOST_NAMED = 5
PREDICTIONS = "predictions"
# What `monitor` reads from the run; a tag of Azure ML takes a thousand characters.
REFERENCE, FEATURES = "model.reference", "drift.features"
MOST_CHANCES, LONGEST_NAME, UNLIKELY = 10, 50, 0.01


def metrics(result: ScoringResult, reference: Reference | None = None) -> dict[str, float]:
    """Give the metrics of a scoring run.

    Scores that the model's own probabilities let expect are among them if the `reference` says
    that these can be trusted.
    """
    totals = result.totals
    found = {
        "rows_scored": float(totals.written),
        "rows_rejected": float(totals.rejected),
        "rows_per_second": totals.read / max(result.seconds, 1e-9),
        **_predicted(result),
    }
    if totals.expected is not None and totals.expected.mean is not None:
        found["mean_probability"] = totals.expected.mean
    if totals.expected is not None and reference is not None and not reference.uncalibrated:
        expected = totals.expected.scores()
        found |= {f"estimated_{name}": value for name, value in expected.items()}
    if (labelled := totals.labelled.total()) is not None:
        found["rows_labelled"] = float(labelled.rows)
        found["rows_label_unknown"] = float(totals.unknown.rows)
        found |= labelled.levels() | recorded("scored", labelled)
    unseen = {
        metric_name(f"drift.unseen.{name}"): float(rows)
        for name, rows in totals.unseen.most_common(MOST_CLASSES)
    }
    if result.drift:
        found[MAX_PSI] = max(drift.psi for drift in result.drift)
        most = sorted(result.drift, key=lambda drift: drift.psi, reverse=True)
        late = 0 if labelled else MOST_LATE
        room = max(0, min(MOST_FEATURES, MOST_METRICS - late - len(found) - len(unseen)))
        found |= {metric_name(f"drift.psi.{drift.name}"): drift.psi for drift in most[:room]}
    return found | unseen


def watched(result: ScoringResult, reference: Reference | None) -> Record:
    """Give the metrics of a scoring run, and in tags what else `monitor` needs of it.

    The tag `drift.features` has the number of features, and index and chance of those that differ
    from the training rows by more than chance lets expect of one feature.
    """
    tags = {} if reference is None else {REFERENCE: reference.to_text()}
    if result.drift:
        unlikely = [drift for drift in result.drift if drift.chance < UNLIKELY]
        unlikely.sort(key=lambda drift: (drift.chance, -drift.psi))
        least = [
            [_short(drift.name), float(f"{drift.psi:.4g}"), float(f"{drift.chance:.3g}")]
            for drift in unlikely[:MOST_CHANCES]
        ]
        content = {"features": len(result.drift), "unlikely": least}
        tags[FEATURES] = json.dumps(content, separators=(",", ":"))
    return Record(metrics=metrics(result, reference), tags=tags)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


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
    scores = [
        f"{name} {found[name]:.4g}"
        for name in found
        if name.startswith("scored_") and not name.endswith(("_low", "_high"))
    ]
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
        name = f"{PREDICTIONS}/{written.name}"
        files.append((written, name if written.is_dir() else PREDICTIONS))
        return Record(tags={"predictions.artifact": name}, files=tuple(files))
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
