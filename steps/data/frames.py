"""Frames in memory, given to a step in place of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from steps.base.errors import StepError, first_line

if TYPE_CHECKING:
    import pandas as pd


def is_frame(value: Any) -> TypeGuard[pd.DataFrame]:
    """Tell whether a value is a frame of pandas."""
    # Whoever has one has imported pandas.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write the columns of a frame, not its index, as Parquet, and return the path."""
    import pyarrow as pa

    try:
        frame.to_parquet(path, index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise StepError(
            "expected a frame whose columns have text names and values of one type each, found: "
            f"{first_line(error)}"
        ) from error
    return path


def read(path: Path) -> pd.DataFrame:
    """Read a Parquet file as a frame."""
    import pandas as pd

    return pd.read_parquet(path)
