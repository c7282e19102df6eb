"""A search from its settings to its complete record: the one call that train makes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException

from steps.base import console
from steps.model.dask_executor import ClusterExecutor
from steps.model.executors import Executor, LocalExecutor
from steps.model.fitted_search import FittedSearch, refitted, unfitted_search
from steps.model.fitting import Work
from steps.model.grid import SearchSettings
from steps.model.search_loop import fit_all
from steps.report import search_record as record
from steps.store.children import ChildRuns
from steps.store.resume import finished_candidates
from steps.store.runs import KEY, StepRun


@dataclass(frozen=True)
class Execution:
    """How to carry a search out; none of it changes the result."""

    jobs: int = 1
    scheduler: str | None = None
    resume: bool = True


def search(
    settings: SearchSettings, work: Work, execution: Execution, run: StepRun, folder: Path
) -> FittedSearch:
    """Search, logging to `run` and its child runs all that autolog would; files go by `folder`.

    Gives scikit-learn's search object as after its own `fit`.
    """
    candidates = settings.candidates()
    console.say(f"search: {len(candidates)} candidates, {settings.folds} folds each")
    described = unfitted_search(work, settings)
    run.log(record.search_settings(described))
    tags = run.client.get_run(run.id).data.tags
    _log_training_data(run, work, tags)
    known = finished_candidates(run, tags[KEY], candidates) if execution.resume else {}
    if known:
        console.say(f"search: {len(known)} of them taken over from an interrupted run")
    with (
        console.progress(len(candidates), "candidates", "search") as bar,
        ChildRuns(run, tags, work.estimator, candidates, settings.metric, bar) as children,
    ):
        for index, earlier in sorted(known.items()):
            children.adopt(index, earlier.outcome, earlier.span, earlier.run_id)
        with _executor(work, execution) as executor:
            taken = {index: earlier.outcome for index, earlier in known.items()}
            outcomes = fit_all(candidates, executor, children, taken)
        found = refitted(described, work, candidates, outcomes)
        children.rank(found)
        # Drawn while the last child runs are on their way.
        files = folder / "search"
        files.mkdir()
        run.log(record.search_results(found, work, files))
    return found


def _executor(work: Work, execution: Execution) -> AbstractContextManager[Executor]:
    if execution.scheduler is not None:
        return ClusterExecutor(work, execution.scheduler, execution.jobs)
    return LocalExecutor(work, execution.jobs)


def _log_training_data(run: StepRun, work: Work, tags: Mapping[str, str]) -> None:
    """Log what the search is trained on: shape, columns and digest, as autolog does."""
    data = from_pandas(work.features, source=CodeDatasetSource(dict(tags)))
    context = InputTag("mlflow.data.context", "train")
    inputs = [DatasetInput(Dataset(**data.to_dict()), [context])]
    try:
        run.client.log_inputs(run.id, inputs)
    except MlflowException:
        # MLflow's SQL store looks for the data set and then adds it: of two trainings that start
        # together the second fails to add what now is there. Any other reason shows again.
        run.client.log_inputs(run.id, inputs)
