"""Search for the best estimator on the training rows of a preprocess run, and log it."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base import script

    script.begin_imports()

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.base import dask_cluster as cluster
from steps.base.errors import StepError
from steps.base.parameters import boolean, integer, integers, one_of, parameter, text
from steps.base.record import Record
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
from steps.store import datasets, models, runs, verdict
from steps.store.chain import Reuse, Session, Source, Step, StepResult, upstream
from steps.store.datasets import Dataset
from steps.store.recorded_search import Execution, search
from steps.store.registry import CHAMPION, model_name
from steps.store.runs import Run, StepRun

if TYPE_CHECKING:
    from steps.model.evaluated import Evaluation
    from steps.model.gate import Decision


@dataclass(frozen=True)
class TrainParameters:
    """Parameters of the entry point `train`."""

    preprocess_run_id: str = parameter(
        text, "run id of the preprocess run, or latest", in_key=False
    )
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
        cluster.scheduler, "Dask scheduler: none, local, or tcp://host:port", in_key=False
    )
    threshold: Rule = parameter(rule, "probability from which a row is positive, f1, or youden")
    report: bool = parameter(boolean, "make report.html and plots/", in_key=False)
    registered_model: str | None = parameter(
        model_name, "name to register the model under, or none", in_key=False
    )
    minimum: dict[str, float] = parameter(
        gate.minimum,
        "metrics the model must reach (test_roc_auc=0.8,test_recall=0.5), or none",
        in_key=False,
    )
    must_beat: str = parameter(
        one_of("none", "champion"), "what the model must beat: none, champion", in_key=False
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

    @property
    def required(self) -> gate.Requirements:
        """What the model must hold before it may go out."""
        return gate.Requirements(self.minimum, self.registered_model, self.must_beat == CHAMPION)


@dataclass(frozen=True, kw_only=True)
class Prepared(Source):
    """The preprocess run to train on."""

    run: Run


def find_source(chosen: TrainParameters, session: Session) -> Prepared:
    """Settle the preprocess run to train on."""
    run = upstream("preprocess", chosen.preprocess_run_id, session)
    return Prepared(digest=runs.output_digest(run), upstream_run_id=run.info.run_id, run=run)


def execute(
    chosen: TrainParameters, source: Prepared, run: StepRun, session: Session
) -> StepResult:
    """Search, score the best estimator on the held-out rows, and log it."""
    preprocess_id = source.run.info.run_id
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
    decision, result = verdict.conclude(
        evaluation, trained, source.run, chosen.required, run, session
    )
    if chosen.report:
        origin = {"train run": run.id, "preprocess run": preprocess_id}
        run.log(_report(evaluation, decision, data, chosen.seed, origin, session.folder))
    return result


def _report(
    evaluation: Evaluation,
    decision: Decision,
    data: Dataset,
    seed: int,
    origin: dict[str, str],
    folder: Path,
) -> Record:
    # Its templates and figures cost a train without a report half a second of imports.
    from steps.report import report
    from steps.report.content import Origin

    about = Origin(data.schema, data.profile, seed, origin)
    return report.write(folder / "report", evaluation, decision, about)


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


def artifacts(chosen: TrainParameters) -> tuple[str, ...]:
    """Name what a run with these parameters must still have to be reused."""
    model = f"{models.BEST_ESTIMATOR}/MLmodel", f"{models.BEST_ESTIMATOR}/{models.MODEL_FILE}"
    return (*model, "report.html") if chosen.report else model


def conclude_again(chosen: TrainParameters, reused: Run, session: Session) -> StepResult:
    """Decide anew on the model of a reused run."""
    return verdict.conclude_again(chosen.required, chosen.metric, chosen.seed, reused, session)


STEP = Step(
    name="train",
    description=__doc__,
    parameters=TrainParameters,
    find_source=find_source,
    execute=execute,
    reuse=Reuse(
        code=("train.py", "data", "model"),
        libraries=("scikit-learn", "numpy", "scipy", "pandas", "pyarrow"),
        artifacts=artifacts,
        upstream_artifacts=datasets.ARTIFACTS,
        conclude=conclude_again,
    ),
)

if __name__ == "__main__":
    run_script(STEP)
