"""Search for the best estimator on the training rows of a preprocess run, and log it."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from steps import shared
from steps.base.errors import StepError
from steps.base.parameters import parameter
from steps.base.parsers import LATEST, NONE, boolean, integer, integers, one_of, text
from steps.cli import run_script
from steps.model import gate
from steps.model.evaluation import Trained, evaluate
from steps.model.executors import parse_jobs
from steps.model.fitted_search import FittedSearch
from steps.model.fitting import plan_work
from steps.model.grid import Grid, SearchSettings, forest_grid, parse_grid
from steps.model.metrics import SCORERS
from steps.model.threshold import Rule, parse_threshold
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

    preprocess_run_id: str = parameter(text, LATEST, "run id of the preprocess run, or `latest`")
    n_estimators: tuple[int | None, ...] = parameter(
        integers(1), "1,2,3", "numbers of trees to try"
    )
    max_depth: tuple[int | None, ...] = parameter(
        integers(1, none_allowed=True), "2,3,4", "depths of trees to try; `none` is unlimited"
    )
    grid: Grid | None = parameter(
        parse_grid,
        NONE,
        "another grid, of any parameters of the pipeline, instead of the two above: JSON, or a "
        "`.json` or `.yaml` file; a list of grids is tried one after the other",
    )
    search: str = parameter(
        one_of("grid", "random"),
        "grid",
        "`grid` tries all combinations, `random` draws `n_iter` of them with `seed`",
    )
    n_iter: int = parameter(integer(1), "10", "candidates of a random search")
    metric: str = parameter(one_of(*SCORERS), "roc_auc", "what chooses the best candidate")
    cv_folds: int = parameter(integer(2), "5", "folds of the cross-validation")
    seed: int = shared.seed()
    jobs: int = parameter(
        parse_jobs,
        "-1",
        "processes to fit with, `-1` is all cores; they are started only if more than 15 s of "
        "work is left after the first candidates",
        in_key=False,
    )
    resume: bool = parameter(
        boolean,
        "true",
        "take over the finished candidates of an interrupted run; `false` fits all again",
        in_key=False,
    )
    scheduler: str | None = shared.scheduler()
    threshold: Rule = parameter(
        parse_threshold,
        "0.5",
        "probability from which a row is positive; `f1` or `youden` choose it on the training rows",
    )
    report: bool = parameter(boolean, "true", "make `report.html` and `plots/`")
    registered_model: str | None = parameter(
        model_name, NONE, "name to register the model under, or `none`"
    )
    minimum: dict[str, float] = parameter(
        gate.minimum,
        NONE,
        "what the model must reach to be registered, such as "
        "`test_roc_auc=0.80,test_recall=0.5`, or `none`",
    )
    must_beat: str = parameter(
        one_of(NONE, CHAMPION),
        NONE,
        "`champion`: register nothing unless the model is better than the present champion; or "
        "`none`",
    )
    workspace: str = shared.workspace()

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


def _search(chosen: TrainParameters, data: Dataset, run: StepRun, session: Session) -> FittedSearch:
    settings = SearchSettings(
        grid=chosen.grid or forest_grid(chosen.n_estimators, chosen.max_depth),
        search=chosen.search,
        n_iter=chosen.n_iter,
        seed=chosen.seed,
        metric=chosen.metric,
        folds=chosen.cv_folds,
    )
    train = data.train
    work = plan_work(settings, data.schema, data.features(train), data.labels(train))
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
