"""Tables prepared as preprocess does it, without any run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steps.data import tables
from steps.data.csv_reading import Asked
from steps.data.preparation import SplitTable, split_table
from steps.data.training_table import Prepared, Wanted, prepare


def prepared(
    path: Path, target: str = "y", asked: Mapping[str, Any] | None = None, **wanted: Any
) -> Prepared:
    """Read a table and prepare it, by these parameters."""
    table, text = tables.read_table(path, Asked(**(asked or {})), target, path.name)
    return prepare(table, Wanted(target, **wanted), text)


def split_of(path: Path, target: str = "y", test_size: float = 0.25, **wanted: Any) -> SplitTable:
    """Read, prepare and split a table."""
    return split_table(prepared(path, target, **wanted), test_size, 42)
