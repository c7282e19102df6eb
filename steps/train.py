"""Search for the best estimator on the training rows of a preprocess run, and log it."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base import script

    script.begin_imports()

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from steps.base import dask_cluster as cluster
from steps.base.errors import StepError
from steps.base.parameters import boolean, integer, integers, one_of, parameter, text
from steps.cli import run_script
from steps.data.sources import location
from steps.model import gate
from steps.model.evaluation import Trained, evaluate
from steps.model.executors import parse_jobs
from steps.model.fitting import Work, check_folds
from steps.model.grid import Grid, check_names, common_prefix, forest_grid, parse_grid
from steps.model.pipeline import build_pipeline
from steps.model.results import Search, Settings
from steps.model.scorers import SCORERS, scorers, scoring
from steps.model.threshold import Rule, rule
from steps.store import datasets, models, runs
from steps.store.assessment import conclude
from steps.store.chain import Outcome, Session, Source, Step, upstream
from steps.store.datasets import Dataset
from steps.store.registry import CHAMPION, model_name
from steps.store.runs import StepRun
from steps.store.searching import Execution, search


@dataclass(frozen=True)
class TrainParameters:
    """Parameters of the entry point `train`."""

    preprocess_run_id: str = parameter(text, "run id of the preprocess run, or latest")
    n_estimators: tuple[int, ...] = parameter(integers(1), "numbers of trees to try")
    max_depth: tuple[int | None, ...] = parameter(
        integers(1, none_allowed=True), "depths of trees to try; none is unlimited"
    )
    grid: Grid | None = parameter(
        parse_grid, "grid of pipeline parameters: JSON, a JSON/YAML file, or none"
    )
    search: str = parameter(one_of("grid", "random"), "how to search the grid: grid or random")
    n_iter: int = parameter(integer(1), "candidates of a random search")
    metric: str = parameter(one_of(*SCORERS), "metric that chooses the best candidate")
    cv_folds: int = parameter(integer(2), "folds of the cross-validation")
    seed: int = parameter(integer(0, 2**32 - 1), "seed of the forest")
    jobs: int = parameter(parse_jobs, "processes to fit with; -1 is all cores", in_key=False)
    resume: bool = parameter(boolean, "take over finished candidates of a run", in_key=False)
    scheduler: str | None = parameter(
        cluster.scheduler, "Dask scheduler: none, auto, local, or tcp://host:port", in_key=False
    )
    threshold: Rule = parameter(rule, "probability from which a row is positive, f1, or youden")
    report: bool = parameter(boolean, "make report.html and plots/")
    registered_model: str | None = parameter(
        model_name, "name to register the model under, or none"
    )
    minimum: dict[str, float] = parameter(
        gate.minimum, "metrics the model must reach (test_roc_auc=0.8,test_recall=0.5), or none"
    )
    must_beat: str = parameter(
        one_of("none", "champion"), "what the model must beat: none, champion"
    )
    workspace: str = parameter(
        location, "Azure ML workspace: auto, none, or path of a config.json", in_key=False
    )

    def __post_init__(self) -> None:
        if self.must_beat == CHAMPION and self.registered_model is None:
            raise StepError(
                "parameter must_beat: expected a registered_model whose champion is to be beaten, "
                "found none; give -P registered_model=<name>"
            )


def find_source(chosen: TrainParameters, session: Session) -> Source:
    """Settle the preprocess run to train on; a grid file counts by its content."""
    run = upstream("preprocess", chosen.preprocess_run_id, session)
    data = run.data.tags.get(runs.OUTPUT, run.info.run_id)
    digest = data if chosen.grid is None else json.dumps([data, chosen.grid])
    return Source(digest, run)


def execute(chosen: TrainParameters, source: Source, run: StepRun, session: Session) -> Outcome:
    """Search, score the best estimator on the held-out rows, and log it."""
    assert source.upstream is not None
    preprocess_id = source.upstream.info.run_id
    data = datasets.load(session.client, preprocess_id, session.folder)
    found = _search(chosen, data, run, session)
    trained = Trained(
        estimator=found.best_estimator_,
        train=data.train,
        test=data.test,
        schema=data.schema,
        cv_results=found.cv_results_,
        metric=chosen.metric,
        cv_folds=chosen.cv_folds,
        seed=chosen.seed,
    )
    evaluation = evaluate(trained, chosen.threshold, details=chosen.report)
    metadata: dict[str, Any] = {
        "schema": asdict(data.schema),
        "threshold": evaluation.threshold,
        "train_run_id": run.id,
        "preprocess_run_id": preprocess_id,
        "versions": {"scikit-learn": version("scikit-learn")},
    }
    models.log_best_estimator(trained.estimator, data.schema, metadata, run, session.folder)
    return conclude(evaluation, trained, (source.upstream, data.profile), chosen, run, session)


def _search(chosen: TrainParameters, data: Dataset, run: StepRun, session: Session) -> Search:
    pipeline = build_pipeline(data.schema, chosen.seed)
    grid = chosen.grid or forest_grid(chosen.n_estimators, chosen.max_depth)
    check_names(grid, pipeline.get_params())
    settings = Settings(
        grid=grid,
        search=chosen.search,
        n_iter=chosen.n_iter,
        seed=chosen.seed,
        metric=chosen.metric,
        folds=chosen.cv_folds,
        scoring=scoring(data.schema),
    )
    work = Work(
        estimator=pipeline,
        features=data.features(data.train),
        labels=data.labels(data.train),
        folds=chosen.cv_folds,
        scorers=scorers(data.schema),
        prefix=common_prefix(grid, "clf"),
    )
    check_folds(work)
    execution = Execution(chosen.jobs, chosen.scheduler, chosen.resume)
    return search(settings, work, execution, run, session.folder)


STEP = Step(
    name="train",
    description=__doc__,
    parameters=TrainParameters,
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    run_script(STEP)
