"""Types of Arrow that few of its functions take, as the plain ones that hold the same values.

Views of text come from Polars, runs of equal values from databases. Arrow 25 can neither filter
the former nor compute with the latter.
"""

from __future__ import annotations

from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the plain type for a type; most are plain themselves."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_run_end_encoded(kind):
        # Arrow does not decode runs of views.
        return kind.value_type if plain_type(kind.value_type) == kind.value_type else kind
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, plain_type(kind.value_type), kind.ordered)
    return kind


def plain(rows: Rows) -> Rows:
    """Give all columns plain types."""
    for position, field in enumerate(rows.schema):
        kind = plain_type(field.type)
        if kind == field.type:
            continue
        column = rows.column(position)
        if pa.types.is_run_end_encoded(field.type):
            column = pc.run_end_decode(column)
        rows = rows.set_column(position, field.with_type(kind), column.cast(kind))
    return rows
