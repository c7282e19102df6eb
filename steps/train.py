"""Search for the best estimator on the training rows of a preprocess run, and log it."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from steps import shared
from steps.base import console
from steps.base.errors import StepError
from steps.base.memory import give_back_arrays
from steps.base.parameters import parameter
from steps.base.parsers import AUTO, LATEST, NONE, boolean, integer, integers, one_of, text
from steps.cli import run_script
from steps.data.profile import typical_row
from steps.model import gate
from steps.model.estimators import FOREST, parse_estimators
from steps.model.evaluation import Trained, evaluate
from steps.model.executors import parse_jobs
from steps.model.fitted_search import FittedSearch
from steps.model.fitting import plan_work
from steps.model.grid import (
    SEARCHES,
    Grid,
    SearchSettings,
    check_search,
    forest_grid,
    parse_grid,
)
from steps.model.metrics import DEFAULT_THRESHOLD
from steps.model.openmp import threads_for
from steps.model.portfolio import search_grid, searched_families
from steps.model.reference import reference
from steps.model.task import Task, parse_metric, task_of
from steps.model.threshold import Rule, parse_threshold
from steps.report.page import REPORT
from steps.store import datasets, models, run_report, runs, savable, verdict
from steps.store.chain import Reuse, Session, Source, Step, StepResult, upstream
from steps.store.datasets import Dataset
from steps.store.model_file import MODEL_FILE
from steps.store.recorded_search import Execution, search
from steps.store.registry import CHAMPION, model_name
from steps.store.runs import Run, StepRun

if TYPE_CHECKING:
    from steps.model.evaluation import Evaluation


@dataclass(frozen=True)
class TrainParameters:
    """Parameters of the entry point `train`."""

    preprocess_run_id: str = parameter(
        text, LATEST, "run id of the preprocess run, or `latest`", in_key=False
    )
    estimator: tuple[str, ...] = parameter(
        parse_estimators,
        FOREST,
        "what to fit: `random_forest`, `extra_trees`, `hist_gradient_boosting`, `linear`, several "
        "of them separated by commas, or `auto`, a portfolio of 13 candidates of all of them",
    )
    n_estimators: tuple[int | None, ...] = parameter(
        integers(1), "1,2,3", "numbers of trees to try, of a random forest alone"
    )
    max_depth: tuple[int | None, ...] = parameter(
        integers(1, none_allowed=True),
        "2,3,4",
        "depths of trees to try, of a random forest alone; `none` is unlimited",
    )
    grid: Grid | None = parameter(
        parse_grid,
        NONE,
        "another grid, of any parameters of the pipeline, instead of the two above: JSON, or a "
        "`.json` or `.yaml` file; a list of grids is tried one after the other; of several "
        "estimators each takes the parameters that it has",
    )
    search: str = parameter(
        one_of(*SEARCHES),
        "grid",
        "`grid` tries all combinations, `random` draws `n_iter` of them with `seed`; `halving` "
        "tries all on few rows and the best third on three times as many, and so on; `tpe` learns "
        "from scores where to look next, also in ranges such as "
        '`{"clf__max_depth": {"low": 2, "high": 20}}`',
    )
    n_iter: int = parameter(integer(1), "10", "candidates of a `random` or `tpe` search")
    metric: str = parameter(
        parse_metric,
        AUTO,
        "what chooses the best candidate: `auto` (`roc_auc`, or `r2`), or of classes `roc_auc`, "
        "`precision`, `recall`, `f1`, `accuracy`, of more than two of them also "
        "`balanced_accuracy`, `log_loss`, of numbers `r2`, `mae`, `rmse`, `median_absolute_error`",
    )
    cv_folds: int = parameter(
        integer(2), "5", "folds of the cross-validation; fewer if a class has fewer rows"
    )
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
        "probability from which a row is positive, of two classes; `f1` or `youden` choose it on "
        "the training rows",
    )
    report: bool = parameter(boolean, "true", "make `report.html` and `plots/`", in_key=False)
    registered_model: str | None = parameter(
        model_name, NONE, "name to register the model under, or `none`", in_key=False
    )
    minimum: dict[str, float] = parameter(
        gate.minimum,
        NONE,
        "what the model must reach to be registered, such as "
        "`test_roc_auc=0.80,test_recall=0.5`, or `none`",
        in_key=False,
    )
    must_beat: str = parameter(
        one_of(NONE, CHAMPION),
        NONE,
        "`champion`: register nothing unless the model is better than the present champion; or "
        "`none`",
        in_key=False,
    )
    workspace: str = shared.workspace()

    def __post_init__(self) -> None:
        grid = self.grid or forest_grid(self.n_estimators, self.max_depth)
        check_search(grid, self.search, self.n_iter)
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
    give_back_arrays()
    preprocess_id = source.run.info.run_id
    data = datasets.load(session.client, preprocess_id, session.folder)
    _check_fit(chosen, task_of(data.schema, chosen.seed))
    # Boosting's threads are a setting of the calling thread.
    with threads_for(data.train.size):
        trained = _trained(chosen, data, runs.data_location(source.run), run, session)
        evaluation = evaluate(trained, chosen.threshold, details=chosen.report)
    metadata: dict[str, Any] = {
        "schema": asdict(data.schema),
        **_decision_metadata(evaluation),
        "reference": reference(evaluation, trained).to_json(),
        "train_run_id": run.id,
        "preprocess_run_id": preprocess_id,
        "versions": {"scikit-learn": version("scikit-learn")},
    }
    example = typical_row(data.profile, data.schema)
    models.log_best_estimator(
        trained.estimator, data.schema, metadata, example, run, session.folder
    )
    decision, result = verdict.conclude(
        evaluation, trained, source.run, chosen.required, run, session
    )
    if chosen.report:
        run.log(run_report.write(evaluation, decision, data, chosen.seed, source.run, run, session))
    return result


def _trained(
    chosen: TrainParameters, data: Dataset, table: str, run: StepRun, session: Session
) -> Trained:
    """Search with as many folds as the training rows allow."""
    task = task_of(data.schema, chosen.seed)
    labels, groups = data.labels(data.train), data.groups(data.train)
    folds = task.fold_count(labels, chosen.cv_folds, groups)
    if folds < chosen.cv_folds:
        console.warn(f"{folds} folds instead of cv_folds={chosen.cv_folds}: too few training rows")
    searched = _search(chosen, folds, data, table, run, session)
    return Trained(
        estimator=searched.best_estimator_,
        train=data.train,
        test=data.test,
        schema=data.schema,
        cv_results=searched.cv_results_,
        metric=task.scorer(chosen.metric),
        cv_folds=folds,
        seed=chosen.seed,
        groups=groups,
        unseen=searched.unseen_,
    )


def _check_fit(chosen: TrainParameters, task: Task) -> None:
    """Raise a StepError for parameters that another kind of target has."""
    if len(task.classes) != 2 and chosen.threshold != DEFAULT_THRESHOLD:
        raise StepError(
            f"parameter threshold: expected {DEFAULT_THRESHOLD} (the default) for {task.what}, "
            f"found {chosen.threshold}; it decides between two classes only"
        )
    gate.check_names(chosen.minimum, task)


def _decision_metadata(evaluation: Evaluation) -> dict[str, Any]:
    """Give what a model's predictions are made with, beside the estimator."""
    if evaluation.conformal is not None:
        return {"conformal": evaluation.conformal.to_json()}
    return {"threshold": evaluation.threshold} if len(evaluation.classes) == 2 else {}


def _search(
    chosen: TrainParameters,
    folds: int,
    data: Dataset,
    table: str,
    run: StepRun,
    session: Session,
) -> FittedSearch:
    grid = chosen.grid
    if grid is None and chosen.estimator == (FOREST,):
        grid = forest_grid(chosen.n_estimators, chosen.max_depth)
    settings = SearchSettings(
        grid=search_grid(chosen.estimator, grid, data.schema, chosen.seed),
        search=chosen.search,
        n_iter=chosen.n_iter,
        seed=chosen.seed,
        metric=task_of(data.schema, chosen.seed).scorer(chosen.metric),
        folds=folds,
        families=searched_families(chosen.estimator),
    )
    # Several estimators multiply a grid, or are no single space.
    check_search(settings.grid, settings.search, settings.n_iter)
    train = data.train
    labels, groups = data.labels(train), data.groups(train)
    work = plan_work(settings, data.schema, data.train_features, labels, groups)
    savable.check(settings, work)
    execution = Execution(chosen.jobs, chosen.scheduler, chosen.resume)
    return search(settings, work, execution, run, session.folder, table)


def artifacts(chosen: TrainParameters) -> tuple[str, ...]:
    """Name what a run with these parameters must still have to be reused."""
    model = f"{models.BEST_ESTIMATOR}/MLmodel", f"{models.BEST_ESTIMATOR}/{MODEL_FILE}"
    return (*model, REPORT) if chosen.report else model


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
