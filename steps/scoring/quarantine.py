"""Bad rows: the first is an error, or all go to a file of their own with the reasons."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from steps.base.errors import StepError
from steps.base.files import output_errors, writing

if TYPE_CHECKING:
    from steps.scoring.rows import Rejected

COLUMNS = ("file", "row", "line", "reason", "text")


class BadRows:
    """Numbers the rows of each file, and deals with the bad ones in order."""

    def __init__(self, file: TextIO | None = None, path: Path = Path()) -> None:
        self._path = path
        self._writer: Any = csv.writer(file) if file else None
        if self._writer:
            self._writer.writerow(COLUMNS)
        self._file, self._before = "", 0

    def add(self, file: str, read: int, rejected: list[Rejected]) -> None:
        """Record the next `read` rows of a file, some of them rejected."""
        if file != self._file:
            self._file, self._before = file, 0
        for bad in rejected:
            row = self._before + bad.row + 1
            if self._writer is None:
                line = f" (line {bad.line})" if bad.line else ""
                raise StepError(
                    f"{file}, row {row}{line}: {bad.reason}; correct the row, or set such rows "
                    "aside with -P on_bad_rows=quarantine"
                )
            with output_errors(self._path):
                self._writer.writerow((file, row, bad.line or "", bad.reason, bad.text))
        self._before += read


@contextmanager
def quarantine(path: Path, part: Path) -> Iterator[BadRows]:
    """Write bad rows to `part`, which becomes `path` even if there are none."""
    with writing(path, part.open("w", encoding="utf-8", newline="")) as file:
        yield BadRows(file, path)


def rejected_path(output: Path) -> Path:
    """Return the path for an output's bad rows."""
    return output.with_name(rejected_name(output.name))


def rejected_name(output: str) -> str:
    """Name the place of an output's bad rows."""
    return f"{output}.rejected.csv"
