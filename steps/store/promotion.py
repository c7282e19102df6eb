"""Take a trained model through its gate, into the registry, and against the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from steps.base.errors import StepError
from steps.data.schema import Schema
from steps.model import gate
from steps.model.bootstrap import difference
from steps.model.gate import Decision, Duel
from steps.store import choice, models
from steps.store.registry import CHAMPION, Registry, uri_of
from steps.store.runs import OUTPUT

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from steps.model.evaluation import Evaluation
    from steps.store.chain import Session
    from steps.store.models import LoadedModel
    from steps.store.runs import StepRun

ANOTHER_NAME = "register this model under another name"


@dataclass(frozen=True)
class Challenger:
    """A trained model, its held-out rows, and what decides between it and the champion.

    `split` is the digest of what its preprocess run made.
    """

    evaluation: Evaluation
    test: pd.DataFrame
    schema: Schema
    metric: str
    seed: int
    split: str


def decide(
    asked: Decision,
    minimums: Mapping[str, float],
    challenger: Challenger,
    run: StepRun,
    session: Session,
) -> Decision:
    """Check the minimums; register the model if they hold; crown it if it beats the champion.

    `asked` says which registered model, and whether it must beat the champion. The run's
    `best_estimator` must be logged already.
    """
    asked = replace(asked, checks=gate.check(minimums, challenger.evaluation.metrics))
    if not asked.passed or asked.model is None:
        return asked
    registry = Registry(session.client, asked.model)
    # Scored before registering: a model that must beat the champion and does not is never in the
    # registry, and others wait for this one no longer than need be.
    champion = registry.named(CHAMPION)
    asked = replace(asked, duel=_duel(challenger, champion, session))
    if not asked.passed:
        return asked
    version = registry.register(run, {"train_run_id": run.id})
    try:
        decision = _settle(asked, registry, version, champion, challenger, session)
    except BaseException:
        registry.decline(version)
        raise
    return decision


def _settle(
    asked: Decision,
    registry: Registry,
    version: ModelVersion,
    champion: ModelVersion | None,
    challenger: Challenger,
    session: Session,
) -> Decision:
    registry.wait_for_turn(version)
    now = registry.named(CHAMPION)
    if _number(now) != _number(champion):
        # Another training was crowned since: this model has to beat that one.
        asked = replace(asked, duel=_duel(challenger, now, session))
    if not asked.passed:
        registry.withdraw(version)
        return asked
    won = asked.duel is None or asked.duel.won
    decision = asked.registered(str(version.version), champion=won)
    registry.tag(version, decision.tags)
    if won:
        registry.crown(version)
    else:
        registry.decline(version)
    return decision


def _number(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version.version)


def _duel(challenger: Challenger, champion: ModelVersion | None, session: Session) -> Duel | None:
    """Score the champion now, on the challenger's held-out rows."""
    if champion is None:
        return None
    model = _load(champion, session)
    _check_comparable(champion, model.schema, challenger.schema)
    features = list(model.schema.features)
    probability = model.estimator.predict_proba(challenger.test[features])[:, 1]
    mine = challenger.evaluation.model
    found = difference(
        challenger.metric,
        challenger.evaluation.truth,
        (mine.probability, mine.threshold),
        (probability, float(model.metadata["threshold"])),
        challenger.seed,
    )
    same = _split(model.metadata["preprocess_run_id"], session) == challenger.split
    return Duel(str(champion.version), challenger.metric, found, same_split=same)


def _load(champion: ModelVersion, session: Session) -> LoadedModel:
    folder = session.folder / f"champion-{champion.version}"
    folder.mkdir(exist_ok=True)
    chosen = choice.ModelChoice(uri_of(champion), None)
    try:
        return models.load(choice.fetch(chosen, replace(session, folder=folder)))
    except StepError as error:
        raise StepError(
            f"could not compare with the champion: {error}; {ANOTHER_NAME}",
            exit_code=error.exit_code,
        ) from error


def _check_comparable(champion: ModelVersion, theirs: Schema, ours: Schema) -> None:
    missing = set(theirs.features) - set(ours.features)
    if not missing and (theirs.target, theirs.classes) == (ours.target, ours.classes):
        return
    lacking = f", from features of which this table lacks {', '.join(sorted(missing))}"
    raise StepError(
        f"expected the champion {uri_of(champion)} to predict {_outcome(ours)} from this table, "
        f"found that it predicts {_outcome(theirs)}{lacking if missing else ''}; {ANOTHER_NAME}"
    )


def _outcome(schema: Schema) -> str:
    negative, positive = schema.classes
    return f"{schema.target} ({negative} or {positive})"


def split_of(run: Run) -> str:
    """Name the content of what a preprocess run made."""
    digest: str = run.data.tags.get(OUTPUT, run.info.run_id)
    return digest


def _split(preprocess_run_id: str, session: Session) -> str | None:
    try:
        run = session.client.get_run(preprocess_run_id)
    except MlflowException:
        return None  # deleted, or in another store: it cannot be told, so it is not the same
    return split_of(run)
