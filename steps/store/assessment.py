"""What follows on a trained and logged model: its metrics, its gate, its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from steps.base.errors import GATE, OK
from steps.base.record import Record
from steps.model.gate import Decision
from steps.store import promotion
from steps.store.chain import Outcome
from steps.store.registry import CHAMPION

if TYPE_CHECKING:
    from mlflow.entities import Run

    from steps.model.evaluation import Evaluation, Trained
    from steps.store.chain import Session
    from steps.store.runs import StepRun

SHOWN = ("roc_auc", "precision", "recall", "f1", "accuracy")


class Wishes(Protocol):
    """The parameters of train that say what should follow."""

    @property
    def report(self) -> bool: ...
    @property
    def registered_model(self) -> str | None: ...
    @property
    def minimum(self) -> Mapping[str, float]: ...
    @property
    def must_beat(self) -> str: ...


def conclude(
    evaluation: Evaluation,
    trained: Trained,
    data: tuple[Run, Mapping[str, Any]],
    wishes: Wishes,
    run: StepRun,
    session: Session,
) -> Outcome:
    """Log the metrics, decide on the model, and write the report with the decision in it.

    `data` is the preprocess run and its profile. A missed gate gives the exit code GATE.
    """
    prepared, profile = data
    tags = {"threshold": f"{evaluation.threshold:.6g}"}
    run.log(Record(metrics=evaluation.metrics, tags=tags))
    challenger = promotion.Challenger(
        evaluation=evaluation,
        test=trained.test,
        schema=trained.schema,
        metric=trained.metric,
        seed=trained.seed,
        split=promotion.split_of(prepared),
    )
    asked = Decision(must_beat=wishes.must_beat == CHAMPION, model=wishes.registered_model)
    decision = promotion.decide(asked, wishes.minimum, challenger, run, session)
    run.log(Record(tags=decision.tags))
    if wishes.report:
        # Its templates and figures cost a train without a report half a second of imports.
        from steps.report import train_report

        runs = {"train run": run.id, "preprocess run": prepared.info.run_id}
        origin = train_report.Origin(trained.schema, profile, trained.seed, runs)
        run.log(train_report.write(session.folder / "report", evaluation, decision, origin))
    return Outcome(_lines(evaluation, decision), OK if decision.passed else GATE)


def _lines(evaluation: Evaluation, decision: Decision) -> tuple[str, ...]:
    scores = ", ".join(f"{name} {evaluation.model.scores[name].value:.3f}" for name in SHOWN)
    best = ", ".join(f"{name}={value}" for name, value in evaluation.search.best.params.items())
    lines = [f"train: {best}", f"train: held-out {scores}"]
    if decision.asked:
        lines.append(f"train: {decision.sentence}")
    return tuple(lines)
