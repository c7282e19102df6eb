"""Score a table of any size with the model of a train run: labels and probabilities, in order."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from dataclasses import dataclass, replace
from pathlib import Path

from steps import shared
from steps.base import console
from steps.base.errors import DRIFT, OK, StepError
from steps.base.parameters import parameter
from steps.base.parsers import LATEST, NONE, boolean, number, one_of, optional
from steps.base.record import Record
from steps.cli import run_script
from steps.data.prepared_files import DATA, PROFILE, SCHEMA, TEST
from steps.data.profile import read_profile
from steps.data.schema import Schema
from steps.data.sources import location, scheme, without_secrets
from steps.model.conformal import half_width
from steps.model.metrics import DEFAULT_THRESHOLD
from steps.report import drift_page
from steps.scoring import (
    drift,
    input_files,
    outputs,
    plan,
    remote_output,
    score_files,
    sinks,
    summary,
)
from steps.scoring.bins import Bins
from steps.scoring.input_files import InputFile
from steps.scoring.predictor import Predictor
from steps.store import artifacts, models, runs
from steps.store.chain import Session, Source, Step, StepResult
from steps.store.models import LoadedModel
from steps.store.runs import StepRun
from steps.store.scoring_model import ScoringModel, download_model, settle_model

HOLDOUT = "holdout"
MEGABYTE = 1_000_000
OF_MLFLOW = ("runs", "mlflow-artifacts", "models")


def output(value: str) -> str:
    """Read the parameter `output`: a path or URI of a format that can be written."""
    if scheme(value) in OF_MLFLOW or location(value) != value:
        raise ValueError("a path, or the URI of a file or folder that can be written")
    sinks.kind(Path(value))
    return value


def interval(value: str) -> float | None:
    """Read the parameter `interval`: a share, or None for `none`."""
    return None if optional(value) is None else number(0.01, 0.999)(value)


@dataclass(frozen=True)
class BatchScoreParameters:
    """Parameters of the entry point `batch_score`."""

    model: str = parameter(
        location,
        LATEST,
        "`latest`, a train run id, `runs:/…`, `models:/…` (`models:/diabetes@champion`, "
        "`models:/diabetes/3`, `models:/diabetes/latest`), or the folder of a saved model",
    )
    input: str = parameter(
        location,
        HOLDOUT,
        "`holdout` (the test rows of the model's own preprocess run), or a file, folder, glob or "
        "URI of CSV (also `.csv.gz`) or Parquet",
    )
    delimiter: str | None = shared.delimiter_of_new_rows()
    output: str = parameter(
        output,
        "predictions.csv",
        "where the predictions go: path or URI of a `.csv`, `.csv.gz` or `.parquet` file, or of a "
        "folder for a Parquet set",
        in_key=False,
    )
    keep: tuple[str, ...] | None = parameter(
        plan.keep, "all", "input columns to keep: `all`, `none`, or a list"
    )
    probabilities: str = parameter(
        one_of("positive", "all"),
        "positive",
        "`positive`: of the positive class (of more than two, of the predicted one); `all`: "
        "`probability_<class>` for each class",
    )
    interval: float | None = parameter(
        interval,
        NONE,
        "where numbers are predicted: the share of new values that `prediction_low` to "
        "`prediction_high` is to hold, such as 0.9",
    )
    on_bad_rows: str = parameter(
        one_of("fail", "quarantine"),
        "fail",
        "`fail`, or `quarantine`: bad rows go to `<output>.rejected.csv` with their reason",
    )
    on_drift: str = parameter(
        one_of("warn", "fail"),
        "warn",
        "when the data have drifted: `warn`, or `fail` with exit code 3; the predictions are kept",
    )
    drift_threshold: float = parameter(
        number(0, 100), "0.2", "population stability index from which a feature has drifted"
    )
    log_predictions_up_to: float = parameter(
        number(0, 1e6), "100", "MB of predictions to log as an artifact"
    )
    strict: bool = parameter(
        boolean,
        "false",
        "`true`: refuse a scikit-learn minor version other than the model's",
    )
    scheduler: str | None = shared.scheduler()
    workspace: str = shared.workspace()


@dataclass(frozen=True, kw_only=True)
class ModelSource(Source):
    """The model and the files to score; no files for the holdout, which comes with the model."""

    model: ScoringModel
    files: tuple[InputFile, ...]


def find_source(chosen: BatchScoreParameters, session: Session) -> ModelSource:
    """Find the files to score first, then the model: finding the model may mean training it."""
    files = find_input(chosen, session)
    model = settle_model(chosen.model, session)
    train_run = model.train_run.info.run_id if model.train_run else None
    return ModelSource(model=model, files=files, upstream_run_id=train_run)


def find_input(chosen: BatchScoreParameters, session: Session) -> tuple[InputFile, ...]:
    """Find the files to score (none for the holdout), and check that the output can be written."""
    if remote_output.is_remote(chosen.output):
        remote_output.check(chosen.output, chosen.input, chosen.scheduler)
    chosen = _written_here(chosen, session)
    outputs.check_outputs(_outputs(chosen))
    if chosen.input == HOLDOUT:
        return ()
    return _files(with_local_input(chosen, session).input, chosen)


def with_local_input(chosen: BatchScoreParameters, session: Session) -> BatchScoreParameters:
    """Download an input that MLflow keeps; fsspec reads the others where they are."""
    if scheme(chosen.input) not in OF_MLFLOW:
        return chosen
    return replace(chosen, input=str(artifacts.fetch(chosen.input, session.folder)))


def _written_here(chosen: BatchScoreParameters, session: Session) -> BatchScoreParameters:
    """Point a remote output at a file or folder of this machine, to be uploaded later."""
    if not remote_output.is_remote(chosen.output):
        return chosen
    return replace(chosen, output=str(session.folder / "output" / Path(chosen.output).name))


def check_apart_from_table(chosen: BatchScoreParameters, table: str) -> None:
    """Check that the output would not overwrite the table to train on."""
    if remote_output.is_remote(chosen.output):
        remote_output.check_apart(chosen.output, table)
        return
    outputs.check_apart_from_input(_outputs(chosen), table, ())


def check_columns(
    chosen: BatchScoreParameters, files: tuple[InputFile, ...], prepared: str, session: Session
) -> None:
    """Check the columns to score against the schema of a preprocess run, before training.

    `files` come from `find_input`; `prepared` is the run's id.
    """
    chosen = _written_here(chosen, session)
    schema = Schema.from_json(_prepared(SCHEMA, prepared, session).read_text(encoding="utf-8"))
    files = files or _holdout(chosen, prepared, session)
    score_files.check_columns(files, schema, _request(chosen, schema))


def execute(
    chosen: BatchScoreParameters, source: ModelSource, run: StepRun, session: Session
) -> StepResult:
    """Score the input, write the predictions, and log the result."""
    output, chosen = chosen.output, _written_here(chosen, session)
    shown = without_secrets(output)
    model = models.load(download_model(source.model, session))
    score_files.check_versions(model.metadata.get("versions", {}), chosen.strict, console.warn)
    run.log(Record(tags=_model_tags(source.model, model)))
    bins = _training_bins(chosen, model, session)
    files = source.files or _holdout(chosen, model.metadata["preprocess_run_id"], session)
    request = replace(
        _request(chosen, model.schema), half_width=half_width(chosen.interval, model.metadata)
    )
    if chosen.scheduler and not request.is_spread:
        console.say(
            f"batch_score: {shown} is one file, so it is scored on this machine; a "
            f"cluster writes a folder (-P output={summary.PREDICTIONS})"
        )
    predictor = Predictor(
        model.estimator, model.schema, model.metadata.get("threshold", DEFAULT_THRESHOLD)
    )
    result = score_files.score_files(files, predictor, model.schema, request, bins)
    warning = summary.drift_warning(result, chosen.drift_threshold)
    tags = {"input.digest": result.digest, "drift": "yes" if warning else "no"}
    watched = summary.watched(result, model.reference)
    run.log(replace(watched, tags={**watched.tags, **tags}))
    place = remote_output.deliver(Path(chosen.output), output)
    if result.drift:
        folder, written = session.folder / run.id, result.totals.written
        run.log(drift_page.write(folder, result.drift, chosen.drift_threshold, written))
    limit = chosen.log_predictions_up_to * MEGABYTE
    run.log(summary.predictions(Path(chosen.output), place, result.totals.rejected, limit))
    for said in filter(None, (warning, summary.label_warning(result))):
        console.warn(said)
    failed = warning and chosen.on_drift == "fail"
    lines = summary.lines(result, shown)
    return StepResult(lines, DRIFT if failed else OK)


def _request(chosen: BatchScoreParameters, schema: Schema) -> plan.Request:
    """Build the request; the interval's width comes from the model, later."""
    if chosen.interval is not None and schema.classes:
        raise StepError(
            "parameter interval: expected a model that predicts numbers, found a classifier; "
            "use -P interval=none"
        )
    keep = chosen.keep
    if keep is None and chosen.input == HOLDOUT:
        # The file has the parts of dates too, which no user's table has.
        keep = schema.kept_columns
    return plan.Request(
        output=Path(chosen.output),
        delimiter=chosen.delimiter or schema.delimiter,
        keep=keep,
        all_probabilities=chosen.probabilities == "all",
        half_width=None if chosen.interval is None else 0.0,
        quarantine=chosen.on_bad_rows == "quarantine",
        scheduler=chosen.scheduler,
    )


def _model_tags(settled: ScoringModel, model: LoadedModel) -> dict[str, str]:
    tags = {"model.uri": settled.uri}
    if train_run := model.metadata.get("train_run_id"):
        tags["model.run_id"] = str(train_run)
    if settled.name and settled.version:
        tags |= {"model.name": settled.name, "model.version": settled.version}
    return tags


def _training_bins(
    chosen: BatchScoreParameters, model: LoadedModel, session: Session
) -> tuple[Bins, ...] | None:
    """Read the profile of the model's training rows, if its run is in this store."""
    try:
        path = _prepared(PROFILE, model.metadata["preprocess_run_id"], session)
    except StepError as error:
        if chosen.on_drift == "fail":
            raise StepError(f"on_drift=fail needs the training profile: {error}") from error
        console.say(f"batch_score: drift is not watched, the training profile is missing: {error}")
        return None
    profile = read_profile(path.read_text(encoding="utf-8"), model.schema)
    return drift.read_bins(profile, model.schema)


def _prepared(name: str, run_id: str, session: Session) -> Path:
    runs.get_run(session.client, run_id, "preprocess")
    return artifacts.download(session.client, run_id, f"{DATA}/{name}", session.folder)


def _outputs(chosen: BatchScoreParameters) -> tuple[Path, ...]:
    return outputs.outputs(Path(chosen.output), quarantine=chosen.on_bad_rows == "quarantine")


def _files(location: str, chosen: BatchScoreParameters) -> tuple[InputFile, ...]:
    files = input_files.find_files(location)
    outputs.check_apart_from_input(_outputs(chosen), location, files)
    return files


def _holdout(
    chosen: BatchScoreParameters, preprocess_run_id: str, session: Session
) -> tuple[InputFile, ...]:
    return _files(str(_prepared(TEST, preprocess_run_id, session)), chosen)


STEP = Step(
    name="batch_score",
    description=__doc__,
    parameters=BatchScoreParameters,
    find_source=find_source,
    execute=execute,
    subject="input",
)

if __name__ == "__main__":
    run_script(STEP)
