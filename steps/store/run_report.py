"""The report of a train run: what was found, with what the store knows of the runs behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from steps.base.record import Record
from steps.store import runs
from steps.store.destination import run_page

if TYPE_CHECKING:
    from steps.model.evaluation import Evaluation
    from steps.model.gate import Decision
    from steps.store.chain import Session
    from steps.store.datasets import Dataset
    from steps.store.runs import Run, StepRun


def write(
    evaluation: Evaluation,
    decision: Decision,
    data: Dataset,
    seed: int,
    prepared: Run,
    run: StepRun,
    session: Session,
) -> Record:
    """Write the report and its plots into the session's folder, and say what to log.

    `prepared` is the preprocess run that made the `data`.
    """
    # Its templates and figures cost a train without a report half a second of imports.
    from steps.report import train_report
    from steps.report.origin import Origin

    shown = {"train run": run.id, "preprocess run": prepared.info.run_id}
    experiments = run.experiment_id, prepared.info.experiment_id
    pages = {
        name: run_page(session.client.tracking_uri, experiment_id, run_id)
        for (name, run_id), experiment_id in zip(shown.items(), experiments, strict=True)
    }
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "data": runs.data_location(prepared),
        "experiment": session.client.get_experiment(run.experiment_id).name,
    }
    about = Origin(
        data.schema, data.profile, seed, shown, facts=facts, links=pages, decisions=data.decisions
    )
    return train_report.write(session.folder / "report", evaluation, decision, about)
