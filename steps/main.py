"""Run preprocess, train and batch_score; reuse what has not changed of the first two."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from collections.abc import Mapping
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
from steps.scoring.summary import MAX_PSI
from steps.store.chain import (
    Call,
    Session,
    Source,
    Step,
    StepResult,
    load,
    reuse_or_perform,
)
from steps.store.runs import DESCRIPTION, Run, StepRun, link
from steps.train import TrainParameters

# The chain sets these itself.
CHAINED = {"preprocess_run_id": LATEST, "model": LATEST}
# Metrics of how a search went on, of how well a model knows its own training rows, and of what
# is expected of the scored rows, which `monitor` reads from the run that scored them.
PASSING = (
    *("search_", "candidates_", "best_cv_score_so_far", "training_", "rows_per_second"),
    "estimated_",
)


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
    if result.exit_code == GATE:
        run.log(_of_steps({"preprocess": prepared, "train": trained}, result.tags))
        return StepResult(("main: the model missed its gate, nothing is scored",), GATE)
    session = replace(session, settled={"preprocess": prepared, "train": trained})
    scored, ended = reuse_or_perform(score, session)
    ran = {"preprocess": prepared, "train": trained, "batch_score": scored}
    run.log(_of_steps(ran, result.tags))
    return StepResult(exit_code=ended.exit_code)


def _of_steps(ran: Mapping[str, Run], tags: Mapping[str, str]) -> Record:
    """Sum up the runs of the steps: their metrics, and a description that leads to each."""
    metrics: dict[str, float] = {}
    for step in ran.values():
        metrics |= {name: value for name, value in step.data.metrics.items() if _is_of_all(name)}
    links = " → ".join(link(name, step) for name, step in ran.items())
    described = ran["train"].data.tags.get(DESCRIPTION, "")
    return Record(metrics=metrics, tags={**tags, DESCRIPTION: f"{links}\n\n{described}".rstrip()})


def _is_of_all(metric: str) -> bool:
    """Whether a metric is of the table or the model as a whole, and not of the search's progress.

    Those of a column have its name after a dot. Azure ML takes 50 metrics of a run.
    """
    of_column = "." in metric and metric != MAX_PSI
    end_of_interval = metric.startswith("scored_") and metric.endswith(("_low", "_high"))
    return not (of_column or end_of_interval or metric.startswith(PASSING))


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
    subject="data",
)

if __name__ == "__main__":
    run_script(STEP)
