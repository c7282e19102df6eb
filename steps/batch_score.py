"""Score a table of any size with the model of a train run: labels and probabilities, in order."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base import script

    script.begin_imports()

# Before MLflow: skops, which reads the model, looks for each function of numpy and scipy in every
# module loaded so far, in order.
import sklearn.base  # noqa: F401

# isort: split
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.artifacts

from steps.base import console
from steps.base import dask_cluster as cluster
from steps.base.errors import DRIFT, OK, StepError
from steps.base.files import file_digest, files_digest
from steps.base.parameters import boolean, number, one_of, parameter
from steps.base.record import Record
from steps.cli import run_script
from steps.data import tables
from steps.data.sources import location, scheme
from steps.data.split import DATA, PROFILE, TEST
from steps.report import drift_page as drift_report
from steps.scoring import drift, engine, inputs, plan, quarantine, sinks, summary
from steps.scoring.predictor import Predictor
from steps.store import choice, models, runs
from steps.store.chain import Outcome, Session, Source, Step
from steps.store.models import LoadedModel
from steps.store.runs import StepRun

HOLDOUT, AUTO = "holdout", "auto"
MEGABYTE = 1_000_000
PREDICTIONS = "predictions"
OF_MLFLOW = ("runs", "mlflow-artifacts", "models")


def delimiter(value: str) -> str | None:
    """Read the parameter `delimiter`: that of the training data (auto, None) or a character."""
    return None if value == AUTO else tables.delimiter(value)


def output(value: str) -> str:
    """Read the parameter `output`: a path of a kind that can be written."""
    if scheme(value):
        raise ValueError("a path on this machine")
    sinks.kind(Path(location(value)))
    return value


@dataclass(frozen=True)
class BatchScoreParameters:
    """Parameters of the entry point `batch_score`."""

    model: str = parameter(
        location, "latest, a train run id, runs:/…, models:/…, or a local model path"
    )
    input: str = parameter(
        location,
        "holdout (the test rows), or file, folder, glob or URI of CSV (also .gz) or Parquet",
    )
    delimiter: str | None = parameter(
        delimiter, "of a CSV input: auto (that of the training data), a character, or tab"
    )
    output: str = parameter(
        output, "where the predictions go: .csv, .csv.gz, .parquet, or a folder of Parquet files"
    )
    keep: tuple[str, ...] | None = parameter(plan.keep, "input columns to keep: all, none, a list")
    probabilities: str = parameter(one_of("positive", "all"), "whose probability: positive or all")
    on_bad_rows: str = parameter(
        one_of("fail", "quarantine"), "bad rows: fail, or quarantine to <output>.rejected.csv"
    )
    on_drift: str = parameter(one_of("warn", "fail"), "drifted data: warn or fail (exit code 3)")
    drift_threshold: float = parameter(number(0, 100), "population stability index that is drift")
    log_predictions_up_to: float = parameter(number(0, 1e6), "MB of predictions to log")
    strict: bool = parameter(boolean, "refuse another scikit-learn than the model's")
    scheduler: str | None = parameter(
        cluster.scheduler, "Dask scheduler: none, auto, local, or tcp://host:port", in_key=False
    )
    workspace: str = parameter(
        location, "Azure ML workspace: auto, none, or path of a config.json", in_key=False
    )


def find_source(chosen: BatchScoreParameters, session: Session) -> Source:
    """Settle the model to score with."""
    model = choice.choose(chosen.model, session)
    tags = model.train_run.data.tags if model.train_run else {}
    return Source(tags.get(runs.KEY, model.uri), model.train_run, model.uri)


def execute(
    chosen: BatchScoreParameters, source: Source, run: StepRun, session: Session
) -> Outcome:
    """Score the input, write the predictions, and log what came of it."""
    model = models.load(choice.fetch(choice.ModelChoice(source.location, source.upstream), session))
    engine.check_versions(model.metadata.get("versions", {}), chosen.strict, console.warn)
    run.log(Record(tags=_model_tags(source, model, session)))
    bins = _training_bins(chosen, model, session)
    files = inputs.find_files(_location(chosen.input, model, session))
    request = _request(chosen, model)
    predictor = Predictor(model.estimator, model.schema, model.metadata.get("threshold", 0.5))
    result = engine.score_files(files, predictor, model.schema, request, bins)
    warning = summary.drift_warning(result, chosen.drift_threshold)
    run.log(
        Record(
            metrics=summary.metrics(result),
            tags={"input.digest": result.digest, "drift": "yes" if warning else "no"},
            files=_drift_page(result, chosen, run, session),
        )
    )
    run.log(_predictions(chosen, result.totals.rejected))
    if warning:
        console.warn(warning)
    failed = warning and chosen.on_drift == "fail"
    lines = summary.lines(result, Path(chosen.output))
    return Outcome(lines, DRIFT if failed else OK, result.digest)


def _request(chosen: BatchScoreParameters, model: LoadedModel) -> plan.Request:
    request = plan.Request(
        output=Path(chosen.output),
        delimiter=chosen.delimiter or model.schema.delimiter,
        keep=chosen.keep,
        all_probabilities=chosen.probabilities == "all",
        quarantine=chosen.on_bad_rows == "quarantine",
        scheduler=chosen.scheduler,
    )
    if chosen.scheduler and not request.is_spread:
        console.say(
            f"batch_score: {chosen.output} is one file, so it is scored on this machine; a "
            f"cluster writes a folder (-P output={PREDICTIONS})"
        )
    return request


def _model_tags(source: Source, model: LoadedModel, session: Session) -> dict[str, str]:
    tags = {"model.uri": source.location}
    if train_run := model.metadata.get("train_run_id"):
        tags["model.run_id"] = str(train_run)
    if version := choice.registered_version(source.location):
        tags["model.version"] = version
    return tags


def _training_bins(
    chosen: BatchScoreParameters, model: LoadedModel, session: Session
) -> tuple[drift.Bins, ...] | None:
    """Read the profile of the rows that the model was trained on, if its run is in this store."""
    try:
        path = _prepared(PROFILE, model, session)
    except StepError as error:
        if chosen.on_drift == "fail":
            raise StepError(f"on_drift=fail needs the training profile: {error}") from error
        console.say(f"batch_score: drift is not watched, the training profile is missing: {error}")
        return None
    return drift.read_bins(json.loads(path.read_text(encoding="utf-8")), model.schema)


def _prepared(name: str, model: LoadedModel, session: Session) -> Path:
    run_id = model.metadata["preprocess_run_id"]
    runs.get_run(session.client, run_id, "preprocess")
    return runs.download(session.client, run_id, f"{DATA}/{name}", session.folder)


def _location(given: str, model: LoadedModel, session: Session) -> str:
    if given == HOLDOUT:
        return str(_prepared(TEST, model, session))
    if scheme(given) in OF_MLFLOW:
        return mlflow.artifacts.download_artifacts(given, dst_path=str(session.folder))
    return given


def _drift_page(
    result: engine.Result, chosen: BatchScoreParameters, run: StepRun, session: Session
) -> tuple[tuple[Path, str], ...]:
    if not result.drift:
        return ()
    title = f"Drift of {result.totals.written:,} scored rows"
    path = session.folder / run.id / "drift.html"
    path.parent.mkdir(exist_ok=True)
    page = drift_report.page(result.drift, chosen.drift_threshold, title)
    path.write_text(page, encoding="utf-8")
    return ((path, ""),)


def _predictions(chosen: BatchScoreParameters, rejected: int) -> Record:
    """Decide what is logged of the predictions: all, or place and digest if they are large."""
    path = Path(chosen.output)
    written = sorted(path.iterdir()) if path.is_dir() else [path]
    limit = chosen.log_predictions_up_to * MEGABYTE
    small = sum(file.stat().st_size for file in written) <= limit
    files = []
    if rejected and quarantine.rejected_path(path).stat().st_size <= limit:
        files.append((quarantine.rejected_path(path), PREDICTIONS))
    if small:
        files.append((path, f"{PREDICTIONS}/{path.name}" if path.is_dir() else PREDICTIONS))
        return Record(files=tuple(files))
    digest = files_digest(written) if path.is_dir() else file_digest(path)
    tags = {"predictions.path": str(path.absolute()), "predictions.digest": digest}
    return Record(tags=tags, files=tuple(files))


STEP: Step[Any] = Step(
    name="batch_score",
    description=__doc__,
    parameters=BatchScoreParameters,
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    run_script(STEP)
