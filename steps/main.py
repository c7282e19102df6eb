"""Run preprocess, train and batch_score as nested runs, reusing what has not changed."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from dataclasses import field, fields, make_dataclass, replace
from typing import Any

from steps.base import parameters
from steps.base.errors import GATE
from steps.base.parsers import LATEST
from steps.batch_score import BatchScoreParameters
from steps.cli import run_script
from steps.preprocess import PreprocessParameters
from steps.store.chain import (
    Outcome,
    Session,
    Source,
    Step,
    load,
    perform_nested,
    reuse_or_perform,
)
from steps.store.runs import StepRun, recorded_parameters
from steps.train import TrainParameters

# The chain settles these itself; scored data is read as the training data was.
CHAINED = {"preprocess_run_id": LATEST, "model": LATEST}


def main_parameters() -> type[Any]:
    """Make the union of the steps' parameters; of two with one name the earlier step's counts."""
    union: dict[str, Any] = {}
    for kind in (PreprocessParameters, TrainParameters, BatchScoreParameters):
        for item in fields(kind):
            union.setdefault(item.name, (item.name, item.type, field(metadata=item.metadata)))
    for name in CHAINED:
        del union[name]
    return make_dataclass("MainParameters", union.values(), frozen=True)


def find_source(chosen: Any, session: Session) -> Source:
    """Fetch the table, as preprocess does."""
    return load("preprocess").find_source(chosen, session)


def execute(chosen: Any, source: Source, run: StepRun, session: Session) -> Outcome:
    """Chain the steps: each builds on the run that the one before made or reused."""
    launched = session.client.get_run(run.id)
    texts = recorded_parameters(launched, parameters.names(STEP.parameters)) | CHAINED
    prepared, _ = reuse_or_perform("preprocess", texts, session)
    session = replace(session, settled={"preprocess": prepared})
    trained, _ = reuse_or_perform("train", texts, session)
    if trained.data.tags.get("gate") == "failed":
        return Outcome(("main: the model missed its gate, nothing is scored",), GATE)
    session = replace(session, settled={"preprocess": prepared, "train": trained})
    auto = parameters.defaults(BatchScoreParameters)["delimiter"]
    _, scored = perform_nested("batch_score", texts | {"delimiter": auto}, session)
    return Outcome(exit_code=scored.exit_code)


STEP = Step(
    name="main",
    description=__doc__,
    parameters=main_parameters(),
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    run_script(STEP)
