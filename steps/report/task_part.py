"""The part of a report that depends on the kind of target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TaskPart:
    """One kind of target: its template and what fills it.

    `tiles` are metrics, `findings` sentences, `note` is about the table of scores. `predicted` is
    what the title names.
    """

    template: str
    predicted: str
    figures: Mapping[str, Figure]
    tiles: tuple[str, ...]
    findings: list[str]
    note: str
    content: Mapping[str, Any] = field(default_factory=dict)
