"""Run a search as train does, and look at what it left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from steps.model.fitted_search import FittedSearch
from steps.store import runs
from steps.store.children import candidate_id
from steps.store.recorded_search import Execution, search
from steps.store.runs import StepRun
from tests.conftest import all_runs
from tests.model.searches import Case


@contextmanager
def step_run(key: str = "key") -> Iterator[StepRun]:
    """Open a run as a step has it."""
    with mlflow.start_run() as active:
        run = StepRun(MlflowClient(), active.info.run_id, active.info.experiment_id)
        run.client.set_tag(run.id, runs.KEY, key)
        yield run


def run_search(
    case: Case, folder: Path, key: str = "key", **execution: Any
) -> tuple[FittedSearch, Run, list[Run]]:
    """Search a case; give the search, its run and its child runs in the candidates' order."""
    with step_run(key) as run:
        files = folder / run.id
        files.mkdir()
        found = search(
            case.settings, case.work, Execution(**execution), run, files, "data/diabetes.csv"
        )
    return found, run.client.get_run(run.id), in_order(case, run.id)


def in_order(case: Case, parent: str) -> list[Run]:
    """Return the child runs of a search in the candidates' order."""
    by_candidate = {
        child.data.tags["step.candidate"]: child
        for child in all_runs(**{"mlflow.parentRunId": parent})
    }
    return [by_candidate[candidate_id(one)] for one in case.settings.candidates()]
