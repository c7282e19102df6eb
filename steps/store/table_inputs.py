"""The tables that a run reads: where they are, their digest, and MLflow's record of them.

A remote table need not be read to know its digest. Where the storage states a version of it, a run
keeps both in its tags, and later runs look there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlflow.entities import Dataset, DatasetInput, InputTag

from mlflow_aml.inputs import address_of_input
from steps.base.errors import StepError
from steps.base.files import file_digest
from steps.base.record import Record
from steps.base.secrets import masked
from steps.data import sources
from steps.store import runs
from steps.store.training_data import source_of

if TYPE_CHECKING:
    from steps.store.chain import Session
    from steps.store.runs import StepRun

DIGEST, VERSION = ".digest", ".version"
LONGEST_DIGEST = 36


@dataclass(frozen=True)
class TableInput:
    """A table that a parameter names, and the digest of its content.

    `address` is where it is for whoever reads the record; `version` stands for what the storage
    states about its version, and is empty if that is nothing.
    """

    parameter: str
    address: str
    digest: str
    version: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which later runs know the digest."""
        if not self.version:
            return {}
        return {self.parameter + DIGEST: self.digest, self.parameter + VERSION: self.version}


def settle(parameter: str, location: str, session: Session) -> TableInput:
    """Settle the digest of a table; reads it unless an earlier run has read the same version."""
    stated = sources.describe(location)
    version = sources.version(location, stated)
    mounted = address_of_input(parameter, os.environ)
    address = mounted or str(stated.get("asset") or sources.without_secrets(location))
    digest = _remembered(parameter, version, session) if version else None
    if digest is None:
        digest = file_digest(sources.fetch(location, session.folder))
    return TableInput(parameter, masked(address), digest, version)


def _remembered(parameter: str, version: str, session: Session) -> str | None:
    wanted = f"tags.`{parameter}{VERSION}` = '{version}'"
    known = runs.find_runs(session.client, session.experiment_id, wanted)
    return next((run.data.tags.get(parameter + DIGEST) for run in known), None)


def fetch(table: TableInput, location: str, session: Session) -> Path:
    """Return a local file with the content of a settled table."""
    path = sources.fetch(location, session.folder)
    if table.version and file_digest(path) != table.digest:
        raise StepError(
            f"expected {table.address} to stay as it is while it is read, found that it was "
            "changed; run it again"
        )
    return path


def log(run: StepRun, tables: Sequence[TableInput]) -> None:
    """Log the tables as the run's data sets, and by which tags later runs know their digests."""
    run.log_inputs(
        [
            DatasetInput(_described(each), [InputTag("mlflow.data.context", each.parameter)])
            for each in tables
        ]
    )
    run.log(Record(tags={name: text for each in tables for name, text in each.tags.items()}))


def _described(table: TableInput) -> Dataset:
    return Dataset(
        name=PurePosixPath(table.address).name,
        digest=table.digest[:LONGEST_DIGEST],
        **source_of(table.address),
    )
