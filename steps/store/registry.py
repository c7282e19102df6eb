"""Manage the versions of registered models, and decide which one is the champion.

The champion is the version that the alias `champion` names or, on a store without aliases (Azure
ML is not known to have them), the highest version tagged ``champion=true``.

No store has transactions, so trainings that finish together take turns by version number, which
every store gives out once. A version starts with ``champion=pending``; it is decided only when no
lower version is pending. If a training died in between, the next one waits for it once, then passes
it over. If two versions are tagged even so (because the passed-over training was alive), every
reader takes the highest as the champion, and whoever tags last removes the other tag.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlflow
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

from steps.base import console
from steps.base.errors import StepError
from steps.base.parsers import LATEST, NONE
from steps.store.models import BEST_ESTIMATOR

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

# Both the alias and the tag of the best version.
CHAMPION = "champion"
PENDING, YES, NO = "pending", "true", "false"
TRAIN_RUN = "train_run_id"
# Error codes for a missing model or alias, and of stores without aliases.
ABSENT = {
    *("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"),
    *("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED"),
}
# A version is pending for a few requests, or at most until a champion is scored.
PATIENCE_SECONDS = 60.0
SECONDS_BETWEEN_LOOKS = 0.3
# MLflow 3.15 looks for an alias and then inserts it: of several trainings that give the first one
# at the same moment, all but one fail because it is there already.
ALIAS_TRIES = 3


def uri_of(version: ModelVersion) -> str:
    """Return the URI of a version by its number, which no alias can move."""
    return f"models:/{version.name}/{version.version}"


@dataclass(frozen=True)
class Registry:
    """The versions of one registered model."""

    client: MlflowClient
    name: str
    patience: float = PATIENCE_SECONDS

    def versions(self) -> list[ModelVersion]:
        """List all versions, the highest first."""
        found: list[ModelVersion] = []
        token = None
        while True:
            page = self.client.search_model_versions(f"name='{self.name}'", page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return sorted(found, key=lambda version: -int(version.version))

    def version(self, number: str) -> ModelVersion:
        """Find one version by its number, or the `latest` one."""
        versions = self.versions()
        wanted = [v for v in versions if number in (LATEST, str(v.version))]
        if wanted:
            return wanted[0]
        there = ", ".join(str(v.version) for v in reversed(versions)) or "none"
        raise StepError(
            f"expected version {number} of the registered model {self.name} in "
            f"{mlflow.get_tracking_uri()}, found versions: {there}"
        )

    def named(self, alias: str) -> ModelVersion | None:
        """Find the version that an alias names, or that is tagged ``<alias>=true``."""
        try:
            return self.client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            if not _is_absent(error):
                raise
            # No such model or alias, or a store without aliases: look at the tags.
            return next((v for v in self.versions() if v.tags.get(alias) == YES), None)

    def version_of(self, run_id: str) -> ModelVersion | None:
        """Find the newest version that was made from a train run."""
        from_run = (v for v in self.versions() if run_id in (v.run_id, v.tags.get(TRAIN_RUN)))
        return next(from_run, None)

    def register(self, run_id: str) -> ModelVersion:
        """Create the next version from a run's model; it stays pending until decided."""
        try:
            self.client.create_registered_model(self.name)
        except MlflowException:
            # It exists already; any other error is raised again here.
            self.client.get_registered_model(self.name)
        # The Azure ML client refuses a "runs:/" source, but accepts the address behind it.
        source = RunsArtifactRepository.get_underlying_uri(f"runs:/{run_id}/{BEST_ESTIMATOR}")
        return self.client.create_model_version(
            self.name, source, run_id=run_id, tags={TRAIN_RUN: run_id, CHAMPION: PENDING}
        )

    def wait_for_turn(self, mine: ModelVersion) -> None:
        """Wait until every lower version is decided, or its training is presumed dead."""
        deadline = time.monotonic() + self.patience
        while ahead := [
            version
            for version in self.versions()
            if int(version.version) < int(mine.version) and version.tags.get(CHAMPION) == PENDING
        ]:
            if time.monotonic() > deadline:
                for version in ahead:
                    self.tag(version, {CHAMPION: NO})
                numbers = ", ".join(str(version.version) for version in ahead)
                console.warn(
                    f"{self.name} version {numbers} was never decided on, it is passed over"
                )
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def crown(self, version: ModelVersion) -> None:
        """Make a version the only champion."""
        self._set_alias(version)
        self.tag(version, {CHAMPION: YES})
        while True:
            winner, *others = self._tagged()
            for other in others:
                self.tag(other, {CHAMPION: NO})
            self._set_alias(winner)
            if self._tagged()[0].version == winner.version:
                return

    def decline(self, version: ModelVersion) -> None:
        """Mark a version as not the champion."""
        self.tag(version, {CHAMPION: NO})

    def withdraw(self, version: ModelVersion) -> None:
        """Remove a version that should not have been registered."""
        self.client.delete_model_version(self.name, str(version.version))

    def tag(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, str(version.version), key, value)

    def _tagged(self) -> list[ModelVersion]:
        return [version for version in self.versions() if version.tags.get(CHAMPION) == YES]

    def _set_alias(self, version: ModelVersion) -> None:
        for tries_left in reversed(range(ALIAS_TRIES)):
            try:
                self.client.set_registered_model_alias(self.name, CHAMPION, str(version.version))
            except MlflowException as error:
                if _is_absent(error):
                    console.warn(
                        f"this store has no aliases, so the tag {CHAMPION} stands for one ({error})"
                    )
                    return
                if not tries_left:
                    raise
                time.sleep(SECONDS_BETWEEN_LOOKS)
            else:
                return


def _is_absent(error: MlflowException) -> bool:
    """Tell whether an error means "not found", not a refusal, failure or lost connection."""
    # Azure ML answers in its own format, in which MLflow 3.15 finds no error code.
    answer = error.json.get("error") if isinstance(error, RestException) else None
    return error.error_code in ABSENT or "NotFound" in str(answer)


def model_name(value: str) -> str | None:
    """Read the name of a registered model, or `none`."""
    if value.strip().lower() == NONE:
        return None
    # MLflow and Azure ML both accept these.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", value):
        raise ValueError("none, or a name of letters, digits, dots, dashes and underscores")
    return value


def resolve(uri: str, client: MlflowClient) -> ModelVersion:
    """Find the version that ``models:/<name>/<number>``, ``/latest`` or ``@<alias>`` means."""
    path = uri.removeprefix("models:/")
    name, at, alias = path.partition("@")
    if at and name and alias:
        found = Registry(client, name).named(alias)
        if found is not None:
            return found
        raise StepError(
            f"expected a version of the registered model {name} with the alias {alias}, or the "
            f"tag {alias}=true, in {mlflow.get_tracking_uri()}, found none; "
            f"give models:/{name}/<version>"
        )
    name, slash, number = path.partition("/")
    if not (name and slash and (number == LATEST or number.isdigit())):
        raise StepError(
            f"expected models:/<name>@<alias>, models:/<name>/<version> or models:/<name>/latest, "
            f"found {uri}"
        )
    return Registry(client, name).version(number)
