"""Watch how a model performs: read its scoring runs, draw them, and alert if something changed."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial

from steps import shared
from steps.base import console
from steps.base.errors import DRIFT, OK, StepError
from steps.base.parameters import parameter
from steps.base.parsers import LATEST, NONE, integer, number, one_of, optional, words
from steps.base.record import Record
from steps.cli import run_script
from steps.data.schema import Schema
from steps.data.sources import location, scheme
from steps.model import gate
from steps.report import monitor_page
from steps.scoring import alerts, input_files, late_labels
from steps.scoring.alerts import Alert
from steps.scoring.input_files import InputFile
from steps.scoring.late_labels import Joined, Labels
from steps.scoring.windows import Window
from steps.store import artifacts, monitored_runs
from steps.store.chain import Session, Source, Step, StepResult
from steps.store.monitored_runs import LATE_LABELS, Watched
from steps.store.runs import Run, StepRun

TAG, ALERT, FINE = "monitor", "alert", "ok"
OF_MLFLOW = ("runs", "mlflow-artifacts", "models")


def wanted_runs(value: str) -> int | datetime:
    """Read `latest:<count>`, or a date from which on runs are wanted."""
    kind, colon, count = value.partition(":")
    with suppress(ValueError):
        if kind == LATEST and colon:
            return integer(1)(count)
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise ValueError("latest:<count>, or a date such as 2026-01-31 (UTC)")


def labels(value: str) -> str | None:
    """Read the parameter `labels`: a place, or None for `none`."""
    return None if optional(value) is None else location(value)


@dataclass(frozen=True)
class MonitorParameters:
    """Parameters of the entry point `monitor`."""

    model: str = parameter(
        location,
        LATEST,
        "whose scoring runs to read: `latest` (the model of the newest one), a train run id, "
        "`runs:/…`, a registered model with all its versions (`models:/diabetes@champion`), one "
        "version (`models:/diabetes/3`), or the folder of a saved model",
    )
    runs: int | datetime = parameter(
        wanted_runs,
        f"{LATEST}:30",
        "which of them: `latest:<count>`, or all since a date such as `2026-01-31` (UTC)",
    )
    labels: str | None = parameter(
        labels,
        NONE,
        "true values that came later: a file, folder, glob or URI of CSV or Parquet with the "
        "target and the `key`; or `none`",
    )
    key: tuple[str, ...] = parameter(
        words, NONE, "columns that join labels to predictions, separated by commas"
    )
    minimum: dict[str, float] = parameter(
        gate.minimum,
        NONE,
        "what the newest scores must reach, named as in `train`: `test_roc_auc=0.75`; or `none`",
    )
    drift_threshold: float = parameter(
        number(0, 100), "0.2", "population stability index from which a feature has drifted"
    )
    on_alert: str = parameter(
        one_of("warn", "fail"), "warn", "on an alert: `warn`, or `fail` with exit code 3"
    )
    workspace: str = shared.workspace()

    def __post_init__(self) -> None:
        if (self.labels is None) == bool(self.key):
            given, other = ("key", "labels") if self.key else ("labels", "key")
            raise StepError(
                f"parameter {given}: expected {other} beside it, found none; give both "
                "(-P labels=labels.csv -P key=id), or neither"
            )


@dataclass(frozen=True, kw_only=True)
class ScoringRuns(Source):
    """The runs to read, oldest first, and the files of labels."""

    watched: Watched
    runs: dict[str, Run]
    labels: tuple[InputFile, ...]


def find_source(chosen: MonitorParameters, session: Session) -> ScoringRuns:
    """Find the labels, then the runs."""
    files: tuple[InputFile, ...] = ()
    if chosen.labels is not None:
        place = chosen.labels
        if scheme(place) in OF_MLFLOW:
            place = str(artifacts.fetch(place, session.folder))
        files = input_files.find_files(place)
    watched = monitored_runs.settle(chosen.model, session)
    found = monitored_runs.find(watched, chosen.runs, session)
    return ScoringRuns(watched=watched, runs=found, labels=files)


def execute(
    chosen: MonitorParameters, source: ScoringRuns, run: StepRun, session: Session
) -> StepResult:
    """Score the labels, judge the newest window, and log `monitor.html`."""
    windows = [monitored_runs.window_of(each) for each in source.runs.values()]
    if source.labels:
        windows = _with_labels(chosen, windows, source, session)
    found = alerts.judge(windows, chosen.drift_threshold)
    missed, unknown = alerts.below_minimum(windows, chosen.minimum)
    found = [*missed, *found]
    if unknown:
        console.warn(
            f"monitor: {', '.join(unknown)} is not known of any window with labels, nor estimated; "
            "give -P labels=…, or score tables that hold the target"
        )
    run.log(_record(windows, found))
    run.log(
        monitor_page.write(
            session.folder, source.watched.shown, windows, found, chosen.drift_threshold
        )
    )
    some = "run" if len(windows) == 1 else "runs"
    lines = (
        f"monitor: {len(windows):,} scoring {some} of {source.watched.shown}, "
        f"{windows[0].day} to {windows[-1].day}",
    )
    if not found:
        return StepResult((*lines, "monitor: ok, nothing differs by more than chance explains"))
    console.warn(f"alert: {_alert(found)}")
    return StepResult(lines, DRIFT if chosen.on_alert == "fail" else OK)


def _record(windows: list[Window], found: list[Alert]) -> Record:
    return Record(
        metrics={
            "windows": float(len(windows)),
            "alerts": float(len(found)),
            "newest_rows_scored": float(windows[-1].rows),
        },
        tags={
            TAG: ALERT if found else FINE,
            f"{TAG}.newest_run_id": windows[-1].run_id,
            **({f"{TAG}.alert": _alert(found)} if found else {}),
        },
    )


def _alert(found: list[Alert]) -> str:
    """Write the alert as one line: the first in full, the others by name."""
    names = [alert.signal.what for alert in found[1:]]
    more = f"; also {', '.join(names[:5])}" if names else ""
    return f"{found[0]}{more}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _with_labels(
    chosen: MonitorParameters, windows: list[Window], source: ScoringRuns, session: Session
) -> list[Window]:
    """Score those windows whose predictions were kept and that were not scored with these labels.

    A window that cannot be scored is left as it is, and told.
    """
    digest = f"{late_labels.digest(source.labels)} by {','.join(chosen.key)}"
    spread: dict[tuple[object, ...], Labels] = {}

    def labels_for(schema: Schema) -> Labels:
        same = (schema.target, schema.classes, schema.rules)
        if same not in spread:
            folder = session.folder / f"labels-{len(spread)}"
            spread[same] = late_labels.read_labels_table(source.labels, chosen.key, schema, folder)
            console.say(f"monitor: labels: {spread[same]}")
        return spread[same]

    schema_of = cache(partial(monitored_runs.schema_of, session=session))
    scored = []
    for window in windows:
        if window.tags.get(LATE_LABELS) == digest:
            scored.append(window)
            continue
        try:
            schema = schema_of(window.tags.get("model.run_id", ""))
        except StepError as error:
            _tell_unscored(window, error)
            scored.append(window)
            continue
        run = source.runs[window.run_id]
        joined = _join(window, run, labels_for(schema), schema, session)
        if joined is not None:
            window = monitored_runs.write_late(joined, digest, window, run, session)
        scored.append(window)
    return scored


def _join(
    window: Window, run: Run, spread: Labels, schema: Schema, session: Session
) -> Joined | None:
    folder = session.folder / f"late-{window.run_id}"
    try:
        files = monitored_runs.predictions_of(run, session, folder / "predictions")
        joined = late_labels.join(files, spread, schema, window.run_id, folder / "keys")
    except StepError as error:
        _tell_unscored(window, error)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.say(f"monitor: run {window.run_id} ({window.day}): {joined}")
    return joined


def _tell_unscored(window: Window, error: StepError) -> None:
    console.warn(f"monitor: no late scores for run {window.run_id} ({window.day}): {error}")


STEP = Step(
    name="monitor",
    description=__doc__,
    parameters=MonitorParameters,
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    run_script(STEP)
