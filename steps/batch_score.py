"""Score a table with a model of a train run: labels and probabilities, row by row."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from steps.cli import launch
from steps.core import sources, tables
from steps.core.files import file_digest, whole_file
from steps.core.metrics import class_scores
from steps.core.parameters import boolean, number, one_of, optional, parameter, text
from steps.core.prepare import DATA, TEST
from steps.core.record import Record
from steps.tracking import choice, models, runs
from steps.tracking.chain import Outcome, Session, Source, Step
from steps.tracking.runs import StepRun

HOLDOUT = "holdout"


@dataclass(frozen=True)
class BatchScoreParameters:
    """Parameters of the entry point `batch_score`."""

    model: str = parameter(
        text, "latest, a train run id, runs:/…, models:/…, or a local model path"
    )
    input: str = parameter(text, "holdout (the test rows), or path or URI of CSV or Parquet")
    delimiter: str = parameter(text, "of a CSV input: auto (that of the training data) or given")
    output: str = parameter(text, "where the predictions go: a .csv or .parquet file")
    keep: str = parameter(text, "input columns to keep: all, none, or a list")
    probabilities: str = parameter(one_of("positive", "all"), "whose probability: positive or all")
    on_bad_rows: str = parameter(one_of("fail", "quarantine"), "a bad row: fail or quarantine")
    on_drift: str = parameter(one_of("warn", "fail"), "drifted data: warn or fail (exit code 3)")
    drift_threshold: float = parameter(number(0, 100), "population stability index that is drift")
    log_predictions_up_to: float = parameter(number(0, 1e6), "MB of predictions to log")
    strict: bool = parameter(boolean, "refuse another scikit-learn than the model's")
    scheduler: str | None = parameter(
        optional, "Dask scheduler: none, local, or tcp://host:port", in_key=False
    )
    workspace: str = parameter(
        text, "Azure ML workspace: auto, none, or path of a config.json", in_key=False
    )


def find_source(chosen: BatchScoreParameters, session: Session) -> Source:
    """Settle the model to score with."""
    model = choice.choose(chosen.model, session)
    tags = model.train_run.data.tags if model.train_run else {}
    return Source(tags.get(runs.KEY, model.uri), model.train_run, model.uri)


def execute(
    chosen: BatchScoreParameters, source: Source, run: StepRun, session: Session
) -> Outcome:
    """Score the input, write the predictions, and log them."""
    chosen_model = choice.ModelChoice(source.location, source.upstream)
    model = models.load(choice.fetch(chosen_model, session))
    path = _input_path(chosen, model.metadata, session)
    frame = tables.read_table(path, model.schema.delimiter)
    tables.require_columns(model.schema.features, list(frame.columns), f"input {chosen.input}")
    features = pd.DataFrame(
        {name: tables.numeric(frame[name], name) for name in model.schema.features}
    )
    probability = model.estimator.predict_proba(features)[:, 1]
    predicted = model.estimator.predict(features)
    scored = frame.assign(prediction=predicted, probability=probability)
    output = Path(chosen.output)
    with whole_file(output) as part:
        if output.suffix == ".parquet":
            scored.to_parquet(part, index=False)
        else:
            scored.to_csv(part, index=False)
    positive = predicted == model.schema.positive
    metrics = {"rows_scored": float(len(scored)), "predicted_positive_rate": float(positive.mean())}
    if model.schema.target in frame:
        actual = tables.as_labels(frame[model.schema.target]) == model.schema.positive
        scores = class_scores(actual, probability, positive)
        metrics |= {f"scored_{name}": value for name, value in scores.items()}
    digest = {"input.digest": file_digest(path)}
    run.log(Record(metrics=metrics, tags=digest, files=((output, "predictions"),)))
    return Outcome((f"batch_score: {len(scored):,} rows to {output}",))


def _input_path(chosen: BatchScoreParameters, metadata: dict[str, str], session: Session) -> Path:
    if chosen.input != HOLDOUT:
        return sources.fetch(chosen.input, session.folder)
    return runs.download(
        session.client, metadata["preprocess_run_id"], f"{DATA}/{TEST}", session.folder
    )


STEP = Step(
    name="batch_score",
    description=__doc__,
    parameters=BatchScoreParameters,
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    sys.exit(launch(STEP))
