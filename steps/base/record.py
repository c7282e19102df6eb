"""What to log to a run, decided apart from logging it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """Parameters, metrics, tags and files of one run.

    `files` pairs a local file or folder with the artifact folder it goes to ("" is the root).
    """

    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: tuple[tuple[Path, str], ...] = ()


def metric_name(text: str) -> str:
    """Turn any text into a metric name: MLflow allows only letters, digits and ``_-. :/``."""
    return re.sub(r"[^\w\-. :]", "_", text)[:250]
