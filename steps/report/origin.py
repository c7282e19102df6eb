"""What a report is about, in plain strings: data, runs and their pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from steps.data.schema import Schema


@dataclass(frozen=True)
class Origin:
    """What a report is about: the prepared data and the runs.

    `profile` is data/profile.json, `decisions` data/decisions.json, if there is one. `provenance`
    pairs names with run ids and the like, `links` those of them that have a page with its address.
    `facts` are shown under the title: date, data file, experiment.
    """

    schema: Schema
    profile: Mapping[str, Any]
    seed: int
    provenance: Mapping[str, str]
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    decisions: Mapping[str, Any] = field(default_factory=dict)


def run_page(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    """Give the address of a run's page on an MLflow server, without a password; "" if none."""
    server = urlsplit(tracking_uri)
    if server.scheme not in ("http", "https"):
        return ""
    host = server.netloc.rpartition("@")[2]
    base = urlunsplit((server.scheme, host, server.path.rstrip("/"), "", ""))
    return f"{base}/{page(experiment_id, run_id)}"


def page(experiment_id: str, run_id: str, artifact: str = "") -> str:
    """Give the place of a run, or of one of its artifacts, within MLflow's pages.

    Without its query mlflow 3.15 shows a run as one of prompts and traces, until the reader
    switches to model training.
    """
    inside = f"/artifacts/{artifact}" if artifact else ""
    return f"#/experiments/{experiment_id}/runs/{run_id}{inside}?workflowType=machine_learning"
