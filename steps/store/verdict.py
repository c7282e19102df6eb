"""Decide on a logged model: once when it is trained, and again when it is reused."""

from __future__ import annotations

from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from steps.base.errors import GATE, OK
from steps.base.record import Record
from steps.data.schema import BINARY
from steps.model import gate
from steps.report import description
from steps.report.page import REPORT
from steps.store import promotion
from steps.store.chain import StepResult
from steps.store.promotion import Challenger, HeldOut
from steps.store.runs import DESCRIPTION, StepRun, data_location, link, output_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import Run

    from steps.model.evaluation import Evaluation, Trained
    from steps.model.gate import Decision, Requirements
    from steps.store.chain import Session


def conclude(
    evaluation: Evaluation,
    trained: Trained,
    prepared: Run,
    required: Requirements,
    run: StepRun,
    session: Session,
) -> tuple[Decision, StepResult]:
    """Log the metrics of a new model and decide on it; its `best_estimator` is logged already.

    If the model misses its gate, the exit code is GATE.
    """
    two_classes = trained.schema.task == BINARY
    tags = {"threshold": f"{evaluation.threshold:.6g}"} if two_classes else {}
    tags[DESCRIPTION] = _description(evaluation, trained, prepared, run)
    run.log(Record(metrics=evaluation.metrics, tags=tags))
    held_out = HeldOut(
        rows=trained.test,
        schema=trained.schema,
        truth=evaluation.truth,
        predicted=evaluation.model.predicted,
        threshold=evaluation.threshold,
        split=output_digest(prepared),
        exact=trained.is_exact,
    )
    challenger = Challenger(
        run.id, evaluation.metrics, trained.metric, trained.seed, lambda: held_out
    )
    decision = promotion.decide(required, challenger, session)
    run.log(Record(tags=decision.tags))
    scores = ", ".join(
        f"{name} {_written(evaluation.model.scores[name].value)}" for name in trained.task.shown
    )
    best = ", ".join(f"{name}={value}" for name, value in evaluation.search.best.params.items())
    shown = (f"train: {best}", f"train: held-out {scores}")
    return decision, _result(decision, decision.tags, shown)


def _description(evaluation: Evaluation, trained: Trained, prepared: Run, run: StepRun) -> str:
    table, rows = PurePath(data_location(prepared)).name, len(trained.train)
    links = [link("Data", prepared)]
    if evaluation.details is not None:
        links.insert(0, link("Report", run, REPORT))
    return description.of_model(evaluation, trained.schema, rows, table, links)


def _written(score: float) -> str:
    # An error is in the unit of the target, and may be of any size.
    return f"{score:.3f}" if abs(score) < 1000 else f"{score:,.0f}"


def conclude_again(
    required: Requirements, metric: str, seed: int, reused: Run, session: Session
) -> StepResult:
    """Decide again on the model of an earlier train run, for the registry as it is now.

    The new verdict replaces the earlier one in the tags of that run.
    """
    challenger = Challenger(
        reused.info.run_id,
        reused.data.metrics,
        metric,
        seed,
        partial(promotion.read_held_out, reused, session),
    )
    decision = promotion.decide(required, challenger, session)
    tags = gate.renewed_tags(decision, reused.data.tags)
    if tags:
        run = StepRun(session.client, reused.info.run_id, reused.info.experiment_id)
        run.log(Record(tags=tags))
    return _result(decision, tags)


def _result(decision: Decision, tags: Mapping[str, str], shown: tuple[str, ...] = ()) -> StepResult:
    if decision.asked:
        shown = (*shown, f"train: {decision.sentence}")
    return StepResult(shown, OK if decision.passed else GATE, tags)
