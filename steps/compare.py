"""Compare trained models: scores with intervals, side by side, on the same held-out rows."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice

from steps import shared
from steps.base.errors import StepError
from steps.base.parameters import names, parameter
from steps.base.parsers import LATEST, integer
from steps.cli import run_script
from steps.model.bounded import is_exact
from steps.model.metrics import DEFAULT_THRESHOLD
from steps.model.task import task_of
from steps.report import comparison
from steps.report.comparison import Entry, digest, group
from steps.store import artifacts, datasets, models, runs
from steps.store.chain import Session, Source, Step, StepResult, load
from steps.store.datasets import Dataset
from steps.store.runs import Run, StepRun

# Parameters of train that say nothing about the model, or that the table shows elsewhere.
NOT_SHOWN = {
    *("preprocess_run_id", "jobs", "resume", "scheduler", "workspace", "threshold"),
    *("report", "registered_model", "minimum", "must_beat"),
}
BEST = "best_"


def wanted_runs(value: str) -> int | tuple[str, ...]:
    """Read a list of run ids, or `latest:<count>` for the newest runs."""
    kind, colon, count = value.partition(":")
    if kind == LATEST and colon:
        with suppress(ValueError):
            return integer(1)(count)
    elif all(found := [name.strip() for name in value.split(",")]):
        return tuple(dict.fromkeys(found))
    raise ValueError("run ids of train separated by commas, or latest:<count>")


@dataclass(frozen=True)
class CompareParameters:
    """Parameters of the entry point `compare`."""

    runs: int | tuple[str, ...] = parameter(
        wanted_runs,
        f"{LATEST}:5",
        "train run ids separated by commas, or `latest:<count>`; the first is what the others "
        "are compared with",
    )
    workspace: str = shared.workspace()


@dataclass(frozen=True, kw_only=True)
class TrainRuns(Source):
    """The runs to compare; the others are compared with the first."""

    runs: tuple[Run, ...]


def find_source(chosen: CompareParameters, session: Session) -> TrainRuns:
    """Find the runs to compare."""
    if not isinstance(chosen.runs, int):
        named = (runs.get_run(session.client, run_id, "train") for run_id in chosen.runs)
        return TrainRuns(runs=tuple(named))
    found = runs.finished(session.client, session.experiment_id, "train")
    newest = tuple(islice(found, chosen.runs))
    if not newest:
        raise StepError(
            "expected train runs to compare in this experiment, found none; run train first or "
            "give their run ids"
        )
    return TrainRuns(runs=newest)


def execute(
    chosen: CompareParameters, source: TrainRuns, run: StepRun, session: Session
) -> StepResult:
    """Score each model on its held-out rows, compare, and log `comparison.html`."""

    @cache
    def dataset(preprocess_run_id: str) -> Dataset:
        folder = session.folder / f"data-{preprocess_run_id}"
        folder.mkdir()
        return datasets.load(session.client, preprocess_run_id, folder)

    entries = []
    for trained in source.runs:
        run_id = trained.info.run_id
        folder = session.folder / f"model-{run_id}"
        folder.mkdir()
        model = models.load(
            artifacts.download(session.client, run_id, models.BEST_ESTIMATOR, folder)
        )
        data = dataset(model.metadata["preprocess_run_id"])
        seed = int(runs.recorded_parameters(trained, ["seed"])["seed"])
        task = task_of(data.schema, seed)
        entries.append(
            Entry(
                run_id=run_id,
                name=(trained.info.run_name or "").removeprefix("train: "),
                params=_params(trained),
                task=task,
                target=data.schema.target,
                truth=task.truth(data.labels(data.test)),
                predicted=task.predict(model.estimator, data.features(data.test)),
                threshold=float(model.metadata.get("threshold", DEFAULT_THRESHOLD)),
                rows=digest(data.test),
                seed=seed,
                exact=is_exact(data.profile["rows"] + len(data.test)),
            )
        )
    groups = group(entries)
    run.log(comparison.write(session.folder, groups))
    return StepResult(tuple(comparison.lines(groups)))


# What the grid of several estimators calls "which estimator".
OF_GRID = {"best_clf": "estimator"}


def _params(trained: Run) -> dict[str, str]:
    """List the parameters of the search and the best values it chose."""
    own = [name for name in names(load("train").parameters) if name not in NOT_SHOWN]
    best = {
        name.rpartition("__")[2]: value
        for name, value in sorted(trained.data.params.items())
        if name.startswith(BEST)
    }
    chosen = {f"best {OF_GRID.get(name, name)}": value for name, value in best.items()}
    return {**chosen, **runs.recorded_parameters(trained, own)}


STEP = Step(
    name="compare",
    description=__doc__,
    parameters=CompareParameters,
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    run_script(STEP)
