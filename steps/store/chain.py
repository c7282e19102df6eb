"""A step: its definition, its run, and how it finds or makes the run it builds on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from steps.base import console, parameters
from steps.base.errors import OK, Unreadable
from steps.base.parsers import LATEST
from steps.base.record import Record
from steps.store import artifacts, runs
from steps.store.keys import code_digest, library_versions, step_key
from steps.store.run_names import run_name
from steps.store.runs import StepRun


@dataclass(frozen=True)
class Session:
    """Where a step works: an experiment, a folder for temporary files, and runs already settled.

    `settled` maps a step to the run that `latest` means, which a pipeline has just made or chosen.
    """

    client: MlflowClient
    experiment_id: str
    folder: Path
    settled: Mapping[str, Run] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a step reads; each step adds fields of its own.

    `digest` is the hash of the content; only a step with `reuse` needs one. `upstream_run_id`
    names the earlier step's run that made the content, if any.
    """

    digest: str = ""
    upstream_run_id: str | None = None


@dataclass(frozen=True)
class StepResult:
    """How a step ended: the lines to show and its exit code.

    A pipeline copies `tags` from the step's run to its own run.
    """

    lines: tuple[str, ...] = ()
    exit_code: int = OK
    tags: Mapping[str, str] = field(default_factory=dict)


P = TypeVar("P", bound=parameters.Dataclass)
S = TypeVar("S", bound=Source)


def _nothing_left(chosen: object, reused: Run, session: Session) -> StepResult:
    return StepResult()


@dataclass(frozen=True)
class Reuse(Generic[P]):
    """When an earlier run of a step can stand for a new one.

    Both must have the same key. Besides parameters and input, the result depends on `code`
    (folders and modules of `steps`) and `libraries` (packages). The run must still have the
    `artifacts` that these parameters ask for, and its upstream run the `upstream_artifacts`.
    `conclude` does on a reused run the work that depends on more than the key.
    """

    code: tuple[str, ...]
    libraries: tuple[str, ...]
    artifacts: Callable[[P], Sequence[str]]
    upstream_artifacts: Sequence[str] = ()
    conclude: Callable[[P, Run, Session], StepResult] = _nothing_left


@dataclass(frozen=True)
class Step(Generic[P, S]):
    """An entry point of the project.

    `find_source` settles what the step reads, running earlier steps if needed; it raises
    `Unreadable` if this machine cannot read the input. `execute` does the work. A step without
    `reuse` runs each time and has no key. `subject` is the parameter that names the file which the
    step is about: its runs are named after it.
    """

    name: str
    description: str
    parameters: type[P]
    find_source: Callable[[P, Session], S]
    execute: Callable[[P, S, StepRun, Session], StepResult]
    reuse: Reuse[P] | None = None
    subject: str = ""


@dataclass(frozen=True)
class Call(Generic[P, S]):
    """A step with its parameters: the texts as given, and the values parsed from them."""

    step: Step[P, S]
    texts: Mapping[str, str]
    chosen: P

    @classmethod
    def of(cls, step: Step[P, S], texts: Mapping[str, str]) -> Self:
        """Check the text of each parameter of a step."""
        return cls(step, texts, parameters.parse(step.parameters, texts))

    @property
    def run_name(self) -> str:
        """Name a run of this call."""
        return run_name(self.step.name, self.step.parameters, self.texts, self.step.subject)

    def key(self, source: S) -> str | None:
        """Compute the key of this call on this input; None if the step is never reused."""
        if self.step.reuse is None:
            return None
        deciding = parameters.names(self.step.parameters, in_key=True)
        return step_key(
            self.step.name,
            {name: getattr(self.chosen, name) for name in deciding},
            source.digest,
            code_digest(self.step.reuse.code),
            library_versions(self.step.reuse.libraries),
        )


def load(name: str) -> Step[Any, Any]:
    """Import a step by name, only when needed: often an earlier run already exists."""
    step: Step[Any, Any] = import_module(f"steps.{name}").STEP
    return step


def perform(call: Call[P, S], source: S, run: StepRun, session: Session) -> StepResult:
    """Do the work of a step in its open run."""
    tags = {runs.KEY: call.key(source), runs.UPSTREAM: source.upstream_run_id}
    run.log(Record(tags={name: value for name, value in tags.items() if value is not None}))
    return call.step.execute(call.chosen, source, run, session)


def perform_nested(call: Call[P, S], source: S, session: Session) -> tuple[Run, StepResult]:
    """Run a step as a nested run of the current one, in this process."""
    with runs.open_run(call.step.name, call.texts, call.run_name, nested=True) as run:
        console.say(f"{call.step.name}: run {run.id}")
        result = perform(call, source, run, session)
    for line in result.lines:
        console.say(line)
    return session.client.get_run(run.id), result


def latest(name: str, session: Session) -> Run:
    """Return an up-to-date run of a step, with the parameters of its newest run.

    Run the step with its defaults if it has never run; run it again if no run has the current
    input, code and libraries, or if the artifacts are gone.
    """
    step = load(name)
    default = parameters.defaults(step.parameters)
    newest = next(runs.finished(session.client, session.experiment_id, name), None)
    if newest is None:
        console.say(f"{name}: no run in this experiment yet, running it with its defaults")
        call = Call.of(step, default)
        return perform_nested(call, step.find_source(call.chosen, session), session)[0]
    try:
        call = Call.of(step, default | runs.recorded_parameters(newest, default))
        source = step.find_source(call.chosen, session)
    except Unreadable as error:
        console.say(f"{name}: using run {newest.info.run_id} as it is ({error})")
        return newest
    reusable = _reusable(call, source, session)
    if reusable is not None:
        console.say(f"{name}: reusing run {reusable.info.run_id}")
        return reusable
    reason = f"data, code or libraries changed since run {newest.info.run_id}"
    if newest.data.tags.get(runs.KEY) == call.key(source):
        reason = f"the artifacts of run {newest.info.run_id} are gone"
    console.say(f"{name}: {reason}, running it again")
    return perform_nested(call, source, session)[0]


def upstream(name: str, chosen: str, session: Session) -> Run:
    """Settle which run of an earlier step to build on: a run id, or `latest`."""
    if chosen == LATEST:
        return session.settled.get(name) or latest(name, session)
    return runs.get_run(session.client, chosen, name)


def reuse_or_perform(
    call: Call[P, S], session: Session, *, fresh: bool = False
) -> tuple[Run, StepResult]:
    """Return the newest run with the key of this call, or run the step; `fresh` always runs it."""
    source = call.step.find_source(call.chosen, session)
    reused = None if fresh else _reusable(call, source, session)
    if call.step.reuse is None or reused is None:
        return perform_nested(call, source, session)
    console.say(f"{call.step.name}: reusing run {reused.info.run_id}")
    result = call.step.reuse.conclude(call.chosen, reused, session)
    for line in result.lines:
        console.say(line)
    return session.client.get_run(reused.info.run_id) if result.tags else reused, result


def _reusable(call: Call[P, S], source: S, session: Session) -> Run | None:
    """Find the newest FINISHED run with the key of a call that still has its artifacts."""
    key = call.key(source)
    if call.step.reuse is None or key is None:
        return None
    wanted, of_upstream = (
        call.step.reuse.artifacts(call.chosen),
        call.step.reuse.upstream_artifacts,
    )
    for run in runs.finished(session.client, session.experiment_id, call.step.name, key=key):
        built_on = run.data.tags.get(runs.UPSTREAM)
        # The upstream run of `source` was just made or checked.
        known = built_on in (None, source.upstream_run_id)
        if artifacts.holds(session.client, run.info.run_id, wanted) and (
            known or artifacts.holds(session.client, built_on, of_upstream)
        ):
            return run
    return None
