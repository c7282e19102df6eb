"""A step: its definition, its run, and how it finds or makes the run it builds on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from steps.base import console, parameters
from steps.base.errors import OK, Unreadable
from steps.base.parsers import LATEST
from steps.base.record import Record
from steps.store import runs
from steps.store.keys import code_digest, step_key
from steps.store.runs import StepRun

P = TypeVar("P", bound=parameters.Dataclass)


@dataclass(frozen=True)
class Session:
    """Where a step works: an experiment, a folder for passing files, and runs settled before.

    `settled` maps a step to the run that `latest` means: a pipeline has just made or chosen it.
    """

    client: MlflowClient
    experiment_id: str
    folder: Path
    settled: Mapping[str, Run] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """What a step reads: the digest of its content, the run it comes from if any, and where."""

    digest: str
    upstream: Run | None = None
    location: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a step ended: the lines to show, and its exit code if it is not 0.

    `input_digest` is that of an input which was read once, as a stream: only now is it known.
    """

    lines: tuple[str, ...] = ()
    exit_code: int = OK
    input_digest: str = ""


@dataclass(frozen=True)
class Step(Generic[P]):
    """An entry point of the project.

    `find_source` settles what the step reads, running earlier steps if need be; it raises
    `Unreadable` if the input cannot be read from here. `execute` does the work.
    """

    name: str
    description: str
    parameters: type[P]
    find_source: Callable[[P, Session], Source]
    execute: Callable[[P, Source, StepRun, Session], Outcome]

    def own(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Pick this step's parameters."""
        return {name: texts[name] for name in parameters.names(self.parameters)}

    def key(self, texts: Mapping[str, str], source: Source) -> str:
        """Compute the key of this step with these parameters and this input."""
        deciding = parameters.names(self.parameters, in_key=True)
        return step_key(
            self.name,
            {name: texts[name] for name in deciding if name not in INPUT_PARAMETERS},
            source.digest,
            code_digest(f"steps.{self.name}"),
        )


# In a key the digest of the input stands for these: it is the content that counts.
INPUT_PARAMETERS = ("data", "preprocess_run_id", "model", "input")


def load(name: str) -> Step[Any]:
    """Import a step by name; by name, so that no step contains the code of another one."""
    step: Step[Any] = import_module(f"steps.{name}").STEP
    return step


def perform(step: Step[P], texts: Mapping[str, str], run: StepRun, session: Session) -> Outcome:
    """Do the work of a step in its open run."""
    chosen = parameters.parse(step.parameters, texts)
    source = step.find_source(chosen, session)
    tags = {runs.KEY: step.key(texts, source)}
    if source.upstream is not None:
        tags[runs.UPSTREAM] = source.upstream.info.run_id
    run.log(Record(tags=tags))
    outcome = step.execute(chosen, source, run, session)
    if outcome.input_digest:
        read = replace(source, digest=f"{source.digest} {outcome.input_digest}")
        run.log(Record(tags={runs.KEY: step.key(texts, read)}))
    return outcome


def perform_nested(name: str, texts: Mapping[str, str], session: Session) -> tuple[Run, Outcome]:
    """Run a step as a nested run of the present one, in this process."""
    step = load(name)
    mine = step.own(texts)
    with runs.open_run(name, mine, nested=True) as run:
        console.say(f"{name}: run {run.id}")
        outcome = perform(step, mine, run, session)
    for line in outcome.lines:
        console.say(line)
    return session.client.get_run(run.id), outcome


def latest(name: str, session: Session) -> Run:
    """Give the newest run of a step whose input and code are as they are now.

    Without any, the step is run with its defaults. If its data or code have changed since, it
    is run again with the same parameters.
    """
    found = runs.newest(session.client, session.experiment_id, name)
    if found is None:
        console.say(f"{name}: no run in this experiment yet, running it with its defaults")
        return perform_nested(name, parameters.defaults(load(name).parameters), session)[0]
    step = load(name)
    default = parameters.defaults(step.parameters)
    texts = default | runs.recorded_parameters(found, default)
    try:
        source = step.find_source(parameters.parse(step.parameters, texts), session)
    except Unreadable as error:
        console.say(f"{name}: using run {found.info.run_id} as it is ({error})")
        return found
    if step.key(texts, source) == found.data.tags.get(runs.KEY):
        console.say(f"{name}: reusing run {found.info.run_id}")
        return found
    console.say(f"{name}: data or code changed since run {found.info.run_id}, running it again")
    return perform_nested(name, texts, session)[0]


def upstream(name: str, chosen: str, session: Session) -> Run:
    """Settle which run of an earlier step to build on: a run id, or `latest`."""
    if chosen == LATEST:
        return session.settled.get(name) or latest(name, session)
    return runs.get_run(session.client, chosen, name)


def reuse_or_perform(name: str, texts: Mapping[str, str], session: Session) -> tuple[Run, Outcome]:
    """Give the newest run of a step with this very key, or run the step."""
    step = load(name)
    mine = step.own(texts)
    source = step.find_source(parameters.parse(step.parameters, mine), session)
    found = runs.newest(session.client, session.experiment_id, name, key=step.key(mine, source))
    if found is None:
        return perform_nested(name, mine, session)
    console.say(f"{name}: reusing run {found.info.run_id}")
    return found, Outcome()
