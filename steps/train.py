"""Search for the best estimator on the training rows of a preprocess run, and log it."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps import shared
from steps.base.errors import StepError
from steps.base.parameters import parameter
from steps.base.parsers import LATEST, NONE, boolean, integer, integers, one_of, text
from steps.base.record import Record
from steps.cli import run_script
from steps.model import gate
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
from steps.model.metrics import SCORERS
from steps.model.threshold import Rule, parse_threshold
from steps.store import datasets, models, runs, verdict
from steps.store.chain import Reuse, Session, Source, Step, StepResult, upstream
from steps.store.datasets import Dataset
from steps.store.recorded_search import Execution, search
from steps.store.registry import CHAMPION, model_name
from steps.store.runs import Run, StepRun

if TYPE_CHECKING:
    from steps.model.evaluation import Evaluation
    from steps.model.gate import Decision


@dataclass(frozen=True)
class TrainParameters:
    """Parameters of the entry point `train`."""

    preprocess_run_id: str = parameter(
        text, LATEST, "run id of the preprocess run, or `latest`", in_key=False
    )
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
        one_of(*SEARCHES),
        "grid",
        "`grid` tries all combinations, `random` draws `n_iter` of them with `seed`; `halving` "
        "tries all on few rows and the best third on three times as many, and so on; `tpe` learns "
        "from scores where to look next, also in ranges such as "
        '`{"clf__max_depth": {"low": 2, "high": 20}}`',
    )
    n_iter: int = parameter(integer(1), "10", "candidates of a `random` or `tpe` search")
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

    @property
    def candidates(self) -> Grid:
        """The grid to search."""
        return self.grid or forest_grid(self.n_estimators, self.max_depth)

    def __post_init__(self) -> None:
        check_search(self.candidates, self.search, self.n_iter)
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
        unseen=found.unseen_,
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
    from steps.report import train_report

    about = train_report.Origin(data.schema, data.profile, seed, origin)
    return train_report.write(folder / "report", evaluation, decision, about)


def _search(chosen: TrainParameters, data: Dataset, run: StepRun, session: Session) -> FittedSearch:
    settings = SearchSettings(
        grid=chosen.candidates,
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
