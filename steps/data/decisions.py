"""Decisions about a table, shown in the terminal and stored in `data/decisions.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from steps.base import shapes
from steps.base.errors import StepError, first_line

NUMBER, BOOLEAN, CATEGORY, DATE, DROPPED = "number", "boolean", "category", "date", "dropped"
_PLURALS = {
    NUMBER: "numbers",
    BOOLEAN: "booleans",
    CATEGORY: "categories",
    DATE: "dates",
    DROPPED: "columns dropped",
}
# Nobody reads more lines than this, so longer lists are summarised.
MOST_LINES = 20
MOST_NAMES = 6


@dataclass(frozen=True)
class Decision:
    """What a column was taken for, with the reason or a note on its contents."""

    column: str
    kind: str
    note: str = ""

    def __str__(self) -> str:
        """Say it in one line."""
        name = self.column or "a column without a name"
        return f"{name}: {self.kind}" + (f", {self.note}" if self.note else "")


@dataclass(frozen=True)
class Decisions:
    """All that was decided about a table.

    `columns` has an entry for each column but the target, `notes` and `warnings` are sentences
    about the table.
    """

    columns: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write the decisions as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @staticmethod
    def read(text: str) -> dict[str, Any]:
        """Read the JSON text of decisions, and check that `to_json` could have written it."""
        try:
            content: dict[str, Any] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StepError(
                f"expected decisions in JSON, found none ({first_line(error)})"
            ) from error
        shapes.check(Decisions, content, "decisions")
        return content

    def lines(self) -> list[str]:
        """Say what a user may not expect, one line each; a wide table's columns by their kind."""
        told = [each for each in self.columns if each.kind != NUMBER or each.note]
        if len(told) <= MOST_LINES:
            lines = [str(each) for each in told]
        else:
            lines = [self._summary(kind) for kind in _PLURALS if self._of(kind)]
        return [*lines, *self.notes]

    def _of(self, kind: str) -> Sequence[Decision]:
        return [each for each in self.columns if each.kind == kind]

    def _summary(self, kind: str) -> str:
        columns = self._of(kind)
        shown = [
            (each.column or "a column without a name") + (f" ({each.note})" if each.note else "")
            for each in columns[:MOST_NAMES]
        ]
        more = len(columns) - len(shown)
        rest = f" and {more:,} more (see data/decisions.json)" if more else ""
        return f"{len(columns):,} {_PLURALS[kind]}: {', '.join(shown)}{rest}"
