"""What an interrupted search has left: the finished candidates of earlier runs of one train."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import Run

from steps.model.fitting import CandidateResult
from steps.model.grid import Candidate
from steps.model.search_loop import Span
from steps.store import runs
from steps.store.children import CANDIDATE, CANDIDATE_OF, FOLDS, PARENT, candidate_id
from steps.store.runs import FINISHED, StepRun


@dataclass(frozen=True)
class Earlier:
    """A candidate that has been fitted before: by which run, when, with which result."""

    run_id: str
    outcome: CandidateResult
    span: Span


def finished_candidates(
    run: StepRun, key: str, candidates: Sequence[Candidate]
) -> dict[int, Earlier]:
    """Find the candidates that interrupted runs with this step key have finished, by position.

    Runs that ended FINISHED are left alone: fitting them again is what was asked for then.
    """
    same_key = runs.search(run.client, run.experiment_id, f"tags.`{runs.KEY}` = '{key}'")
    interrupted = {
        found.info.run_id
        for found in same_key
        if found.info.status != FINISHED and found.info.run_id != run.id
    }
    if not interrupted:
        return {}
    positions = {candidate_id(candidate): index for index, candidate in enumerate(candidates)}
    earlier = {}
    for child in runs.search(run.client, run.experiment_id, f"tags.`{CANDIDATE_OF}` = '{key}'"):
        index = positions.get(child.data.tags.get(CANDIDATE, ""))
        wanted = child.info.status == FINISHED and child.data.tags.get(PARENT) in interrupted
        if wanted and index is not None:
            earlier[index] = _read(child)
    return earlier


def _read(child: Run) -> Earlier:
    scores = {
        name.removeprefix(FOLDS): tuple(json.loads(value))
        for name, value in child.data.tags.items()
        if name.startswith(FOLDS)
    }
    span = Span(child.info.start_time / 1000, child.info.end_time / 1000)
    return Earlier(child.info.run_id, CandidateResult(scores), span)
