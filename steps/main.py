"""Run preprocess, train and batch_score; reuse what has not changed of the first two."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from dataclasses import dataclass, field, fields, make_dataclass, replace
from typing import Any

from steps import batch_score
from steps.base import parameters
from steps.base.errors import GATE
from steps.base.parameters import parameter
from steps.base.parsers import LATEST, boolean
from steps.base.record import Record
from steps.batch_score import BatchScoreParameters
from steps.cli import run_script
from steps.preprocess import PreprocessParameters
from steps.store.chain import (
    Call,
    Session,
    Source,
    Step,
    StepResult,
    load,
    reuse_or_perform,
)
from steps.store.runs import StepRun
from steps.train import TrainParameters

# The chain sets these itself.
CHAINED = {"preprocess_run_id": LATEST, "model": LATEST}


@dataclass(frozen=True)
class ChainParameters:
    """Parameters that only the entry point `main` has."""

    fresh: bool = parameter(boolean, "false", "run every step, reuse nothing", in_key=False)


def main_parameters() -> type[Any]:
    """Make the union of the steps' parameters; where names clash, the earlier step's counts."""
    union: dict[str, Any] = {}
    for kind in (PreprocessParameters, TrainParameters, BatchScoreParameters, ChainParameters):
        for item in fields(kind):
            union.setdefault(item.name, (item.name, item.type, field(metadata=item.metadata)))
    for name in CHAINED:
        del union[name]
    return make_dataclass("MainParameters", union.values(), frozen=True)


def find_source(chosen: Any, session: Session) -> Source:
    """Give an empty source: the steps read their own."""
    return Source()


def execute(chosen: Any, source: Source, run: StepRun, session: Session) -> StepResult:
    """Chain the steps: each builds on the run that the previous one made or reused."""
    texts, values = dict(run.parameters), vars(chosen)
    if chosen.fresh:
        # Fresh also means: take no candidates from an interrupted search.
        texts, values = texts | {"resume": "false"}, values | {"resume": False}
    # Check the parameters of every step before the first one runs: a bad combination should
    # not cost a search.
    preprocess = _call("preprocess", texts, values)
    train = _call("train", texts, values)
    # Read the data to score as the training data was read.
    auto = parameters.defaults(BatchScoreParameters)["delimiter"]
    score = _call("batch_score", texts | {"delimiter": auto}, values | {"delimiter": None})

    # Nor should an output that cannot be written, or an input that cannot be scored.
    score = replace(score, chosen=batch_score.with_local_input(score.chosen, session))
    files = batch_score.find_input(score.chosen, session)
    batch_score.check_apart_from_table(score.chosen, chosen.data)

    prepared, _ = reuse_or_perform(preprocess, session, fresh=chosen.fresh)
    batch_score.check_columns(score.chosen, files, prepared.info.run_id, session)
    session = replace(session, settled={"preprocess": prepared})
    trained, result = reuse_or_perform(train, session, fresh=chosen.fresh)
    run.log(Record(tags=result.tags))
    if result.exit_code == GATE:
        return StepResult(("main: the model missed its gate, nothing is scored",), GATE)
    session = replace(session, settled={"preprocess": prepared, "train": trained})
    _, scored = reuse_or_perform(score, session)
    return StepResult(exit_code=scored.exit_code)


def _call(name: str, texts: dict[str, str], values: dict[str, Any]) -> Call[Any, Any]:
    """Pick a step's parameters from those of `main`, which are already parsed."""
    step = load(name)
    own = parameters.names(step.parameters)
    texts, values = texts | CHAINED, values | CHAINED
    return Call(
        step,
        {name: texts[name] for name in own},
        step.parameters(**{name: values[name] for name in own}),
    )


STEP = Step(
    name="main",
    description=__doc__,
    parameters=main_parameters(),
    find_source=find_source,
    execute=execute,
)

if __name__ == "__main__":
    run_script(STEP)
