"""Values as the texts of CSV fields."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError

if TYPE_CHECKING:
    import numpy as np


def line(values: list[Any]) -> bytes:
    """Write one line, without its end."""
    text = io.StringIO()
    # With this line end names that hold one of its characters are put in quotes.
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue().removesuffix("\r\n").encode()


def check_printable(kept: Iterable[pa.Field]) -> None:
    """Raise a StepError if CSV has no place for what is kept."""
    for item in kept:
        if pa.types.is_nested(item.type):
            raise _unprintable(item)


def _unprintable(item: pa.Field) -> StepError:
    return StepError(
        f"expected columns that CSV can hold, found {item.name} of type {item.type}; "
        "keep others (-P keep=…) or write .parquet"
    )


def probability_texts(probabilities: np.ndarray) -> pa.Array:
    """Turn probabilities into the shortest texts that read back as the same numbers."""
    # Most probabilities of a forest repeat: each different one is turned into text once.
    encoded = pa.array(probabilities).dictionary_encode()
    texts = encoded.dictionary.cast(pa.string())
    whole = pc.is_in(texts, pa.array(["0", "1"]))
    texts = pc.if_else(whole, pc.binary_join_element_wise(texts, "0", "."), texts)
    return texts.cast(pa.binary()).take(encoded.indices)


def field_texts(column: pa.ChunkedArray, item: pa.Field) -> pa.Array:
    """Turn a column into the texts of its CSV fields, in quotes where they need them."""
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_boolean(values.type):
        values = pc.if_else(values, "True", "False")
    is_text = not pa.types.is_primitive(values.type)
    try:
        texts = pc.fill_null(values.cast(pa.string()), "")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # Bytes that are no text, say.
        raise _unprintable(item) from error
    if is_text:
        quoted = pc.binary_join_element_wise("", pc.replace_substring(texts, '"', '""'), "", '"')
        texts = pc.if_else(pc.match_substring_regex(texts, '[",\r\n]'), quoted, texts)
    return texts.cast(pa.binary())
