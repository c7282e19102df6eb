"""Search for the best estimator on the training rows of a preprocess run, and log it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import mlflow.sklearn
from sklearn.model_selection import GridSearchCV

from steps.cli import launch
from steps.core.estimator import build_pipeline
from steps.core.metrics import SCORERS, holdout_metrics, scoring
from steps.core.parameters import boolean, integer, integers, one_of, optional, parameter, text
from steps.core.record import Record
from steps.core.training import check_folds
from steps.tracking import datasets, models, runs
from steps.tracking.chain import Outcome, Session, Source, Step, upstream
from steps.tracking.runs import StepRun


@dataclass(frozen=True)
class TrainParameters:
    """Parameters of the entry point `train`."""

    preprocess_run_id: str = parameter(text, "run id of the preprocess run, or latest")
    n_estimators: tuple[int, ...] = parameter(integers(1), "numbers of trees to try")
    max_depth: tuple[int | None, ...] = parameter(
        integers(1, none_allowed=True), "depths of trees to try; none is unlimited"
    )
    grid: str = parameter(text, "grid of pipeline parameters: JSON, a JSON/YAML file, or none")
    search: str = parameter(one_of("grid", "random"), "how to search the grid: grid or random")
    n_iter: int = parameter(integer(1), "candidates of a random search")
    metric: str = parameter(one_of(*SCORERS), "metric that chooses the best candidate")
    cv_folds: int = parameter(integer(2), "folds of the cross-validation")
    seed: int = parameter(integer(0, 2**32 - 1), "seed of the forest")
    jobs: int = parameter(integer(-1), "processes to fit with; -1 is all cores", in_key=False)
    resume: bool = parameter(boolean, "take over finished candidates of a run", in_key=False)
    scheduler: str | None = parameter(
        optional, "Dask scheduler: none, local, or tcp://host:port", in_key=False
    )
    threshold: str = parameter(text, "probability from which a row is positive, f1, or youden")
    report: bool = parameter(boolean, "make report.html and plots/")
    registered_model: str | None = parameter(optional, "name to register the model under, or none")
    minimum: str | None = parameter(optional, "metrics the model must reach, or none")
    must_beat: str = parameter(
        one_of("none", "champion"), "what the model must beat: none, champion"
    )
    workspace: str = parameter(
        text, "Azure ML workspace: auto, none, or path of a config.json", in_key=False
    )


def find_source(chosen: TrainParameters, session: Session) -> Source:
    """Settle the preprocess run to train on."""
    run = upstream("preprocess", chosen.preprocess_run_id, session)
    return Source(run.data.tags.get(runs.OUTPUT, run.info.run_id), run)


def execute(chosen: TrainParameters, source: Source, run: StepRun, session: Session) -> Outcome:
    """Search, score the best estimator on the held-out rows, and log it."""
    assert source.upstream is not None
    preprocess_id = source.upstream.info.run_id
    data = datasets.load(session.client, preprocess_id, session.folder)
    check_folds(data.train[data.schema.target], chosen.cv_folds)
    grid = {"clf__n_estimators": chosen.n_estimators, "clf__max_depth": chosen.max_depth}
    features, target = data.features(data.train), data.labels(data.train)
    mlflow.sklearn.autolog(max_tuning_runs=None, log_models=False, silent=True)
    search = GridSearchCV(
        build_pipeline(data.schema, chosen.seed),
        {name: list(values) for name, values in grid.items()},
        scoring=scoring(data.schema),
        refit=chosen.metric,
        cv=chosen.cv_folds,
    )
    search.fit(features, target)
    best = search.best_estimator_
    metrics = holdout_metrics(best, data.features(data.test), data.labels(data.test), data.schema)
    metadata: dict[str, Any] = {
        "schema": asdict(data.schema),
        "threshold": 0.5,
        "train_run_id": run.id,
        "preprocess_run_id": preprocess_id,
        "versions": {"scikit-learn": version("scikit-learn")},
    }
    models.log_best_estimator(best, data.schema, metadata, run, session.folder)
    run.log(Record(metrics=metrics))
    scores = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
    return Outcome((f"train: {search.best_params_}", f"train: {scores}"))


STEP = Step(
    name="train",
    description=__doc__,
    parameters=TrainParameters,
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    sys.exit(launch(STEP))
