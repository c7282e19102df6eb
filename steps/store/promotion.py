"""Take a trained model through its gate, into the registry, and against the champion.

The model may be new or come from an earlier run: the decision uses the metrics of the run and, if
there is a champion, the model's predictions of its held-out rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from steps.base.errors import StepError
from steps.data.schema import BINARY, REGRESSION, Schema
from steps.model import gate
from steps.model.bounded import is_exact
from steps.model.gate import Decision, Duel, Requirements
from steps.model.metrics import DEFAULT_THRESHOLD
from steps.model.task import task_of
from steps.store import datasets, models
from steps.store.artifacts import download
from steps.store.registry import CHAMPION, PENDING, Registry, uri_of
from steps.store.runs import UPSTREAM, output_digest
from steps.store.scoring_model import ScoringModel, download_model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from steps.store.chain import Session
    from steps.store.models import LoadedModel

ANOTHER_NAME = "register this model under another name"


@dataclass(frozen=True)
class HeldOut:
    """Rows held out from training, and the model's predictions of them.

    `truth` and `predicted` have the form that the task's metrics take. `split` is the digest of
    the preprocess run's output. `exact` says whether the table is evaluated without shortcuts.
    """

    rows: pd.DataFrame
    schema: Schema
    truth: np.ndarray
    predicted: np.ndarray
    threshold: float
    split: str
    exact: bool


@dataclass(frozen=True)
class Challenger:
    """A model whose `best_estimator` is logged to a run, and what the decision needs.

    `metric` (or `auto`), `seed` and `held_out` serve only the comparison with a champion.
    """

    run_id: str
    metrics: Mapping[str, float]
    metric: str
    seed: int
    held_out: Callable[[], HeldOut]


def read_held_out(run: Run, session: Session) -> HeldOut:
    """Score the held-out rows of a finished train run with its model, as the run did."""
    folder = session.folder / f"challenger-{run.info.run_id}"
    folder.mkdir(exist_ok=True)
    prepared = session.client.get_run(run.data.tags[UPSTREAM])
    data = datasets.load(session.client, prepared.info.run_id, folder)
    model = models.load(download(session.client, run.info.run_id, models.BEST_ESTIMATOR, folder))
    # Nothing is shuffled from here on: any seed will do.
    task = task_of(data.schema, seed=0)
    return HeldOut(
        rows=data.test,
        schema=data.schema,
        truth=task.truth(data.labels(data.test)),
        predicted=task.predict(model.estimator, data.features(data.test)),
        threshold=_threshold(model),
        split=output_digest(prepared),
        exact=is_exact(data.profile["rows"] + len(data.test)),
    )


def decide(required: Requirements, challenger: Challenger, session: Session) -> Decision:
    """Check the minimums; register the model if they hold; crown it if it beats the champion.

    A model already registered under this name keeps its version.
    """
    checks = gate.check(required.minimum, challenger.metrics)
    decision = Decision(required, checks)
    if not decision.passed or required.model is None:
        return decision
    registry = Registry(session.client, required.model)
    # Compare before registering: a model that must beat the champion and does not never enters
    # the registry, and other trainings wait for this one no longer than necessary.
    champion, mine = registry.named(CHAMPION), registry.version_of(challenger.run_id)
    if champion is not None and mine is not None and _number(champion) == _number(mine):
        return replace(decision, version=_number(mine), champion=True, reigning=True)
    decision = replace(decision, duel=_duel(challenger, champion, session))
    if not decision.passed:
        return decision
    version = mine or registry.register(challenger.run_id)
    if mine is not None:
        registry.tag(mine, {CHAMPION: PENDING})
    try:
        decision = _settle(decision, registry, version, champion, challenger, session)
    except BaseException:
        registry.decline(version)
        raise
    if not decision.passed and mine is None:
        registry.withdraw(version)
    return decision


def _settle(
    decision: Decision,
    registry: Registry,
    version: ModelVersion,
    champion: ModelVersion | None,
    challenger: Challenger,
    session: Session,
) -> Decision:
    registry.wait_for_turn(version)
    now = registry.named(CHAMPION)
    if _number(now) != _number(champion):
        # Another model has been crowned since: this one has to beat it.
        decision = replace(decision, duel=_duel(challenger, now, session))
    if not decision.passed:
        registry.decline(version)
        return decision
    won = decision.duel is None or decision.duel.won
    decision = decision.registered(str(version.version), champion=won)
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
    ours = challenger.held_out()
    _check_comparable(champion, model.schema, ours.schema)
    task = task_of(ours.schema, challenger.seed)
    scorer = task.scorer(challenger.metric)
    predicted = task.predict(model.estimator, ours.rows[list(model.schema.features)])
    gain = task.difference(
        scorer,
        ours.truth,
        (ours.predicted, ours.threshold),
        (predicted, _threshold(model)),
        challenger.seed,
        exact=ours.exact,
    )
    same = _split(model.metadata["preprocess_run_id"], session) == ours.split
    return Duel(str(champion.version), scorer, gain, same_split=same)


def _threshold(model: LoadedModel) -> float:
    # Only a model of two classes has one.
    return float(model.metadata.get("threshold", DEFAULT_THRESHOLD))


def _load(champion: ModelVersion, session: Session) -> LoadedModel:
    folder = session.folder / f"champion-{champion.version}"
    folder.mkdir(exist_ok=True)
    model = ScoringModel(uri_of(champion))
    try:
        return models.load(download_model(model, replace(session, folder=folder)))
    except StepError as error:
        raise StepError(
            f"could not compare with the champion: {error}; {ANOTHER_NAME}",
            exit_code=error.exit_code,
        ) from error


def _check_comparable(champion: ModelVersion, theirs: Schema, ours: Schema) -> None:
    missing = {
        name
        for name in theirs.features
        if name not in ours.features or (name in theirs.categories) != (name in ours.categories)
    }
    if not missing and (theirs.target, theirs.classes) == (ours.target, ours.classes):
        return
    lacking = f", from features of which this table lacks {', '.join(sorted(missing))}"
    raise StepError(
        f"expected the champion {uri_of(champion)} to predict {_outcome(ours)} from this table, "
        f"found that it predicts {_outcome(theirs)}{lacking if missing else ''}; {ANOTHER_NAME}"
    )


def _outcome(schema: Schema) -> str:
    if schema.task == REGRESSION:
        return f"numbers of {schema.target}"
    if schema.task == BINARY:
        return f"{schema.target} ({' or '.join(map(str, schema.classes))})"
    return f"{schema.target} ({len(schema.classes)} classes from {schema.classes[0]} on)"


def _split(preprocess_run_id: str, session: Session) -> str | None:
    try:
        run = session.client.get_run(preprocess_run_id)
    except MlflowException:
        return None  # deleted, or in another store: it cannot be told, so it is not the same
    return output_digest(run)
