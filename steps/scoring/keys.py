"""Keys of rows as two 64-bit hashes, and rows spread over files by their key.

A join of two tables of any size then needs the memory of one part of them. Two different keys have
the same 128 bits with a chance of about rows squared / 10^38: it is never seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array

PARTS = 64
# Between the texts of a key of several columns: a control character that no key has.
BETWEEN = "\x1f"
# pandas takes 16 characters as the key of its hash function.
SALTS = "0123456789123456", "monitor's second"


def key_texts(columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    """Write keys as text, the same for a number and for its text; null if a part is missing."""
    return pc.binary_join_element_wise(*map(_text, columns), BETWEEN)


def _text(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        # A table with a missing identifier has floats for whole numbers.
        whole = pc.equal(column, pc.round(column))
        integers = pc.if_else(whole, column, None).cast(pa.int64(), safe=False)
        texts = pc.if_else(whole, integers.cast(pa.string()), column.cast(pa.string()))
    else:
        texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(texts, ""), None, texts)


def hashes(texts: pa.Array) -> np.ndarray:
    """Hash texts without nulls: (rows, 2) of 64 bits."""
    values = texts.to_numpy(zero_copy_only=False)
    return np.column_stack([hash_array(values, hash_key=salt, categorize=False) for salt in SALTS])


class KeyedRows:
    """Rows of numbers in `PARTS` files, by their key; a context manager.

    `width` is how many numbers a row has besides its key.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self._paths = [folder / f"part-{number:02d}" for number in range(PARTS)]
        self._type = np.dtype([("key", np.uint64, 2), ("numbers", np.float64, width)])
        self._open = ExitStack()
        self._files: list[BinaryIO] = []
        folder.mkdir(parents=True)

    def __enter__(self) -> Self:
        self._files = [self._open.enter_context(path.open("wb")) for path in self._paths]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def add(self, keys: np.ndarray, numbers: np.ndarray) -> None:
        """Write rows: keys (rows, 2) and numbers (rows, width)."""
        rows = np.empty(len(keys), dtype=self._type)
        rows["key"], rows["numbers"] = keys, numbers
        part = (keys[:, 0] % PARTS).astype(np.intp)
        order = np.argsort(part, kind="stable")
        ends = np.cumsum(np.bincount(part, minlength=PARTS))
        for file, written in zip(self._files, np.split(rows[order], ends[:-1]), strict=True):
            # Not `tofile`, which raises no OSError with a reason on a full disk.
            file.write(written.tobytes())

    def part(self, number: int) -> np.ndarray:
        """Read one part: an array of `key` (2,) and `numbers` (width,)."""
        return np.fromfile(self._paths[number], dtype=self._type)

    def replace(self, number: int, rows: np.ndarray) -> None:
        """Write one part anew."""
        self._paths[number].write_bytes(rows.tobytes())

    def remove(self) -> None:
        """Delete the files."""
        for path in self._paths:
            path.unlink(missing_ok=True)


def by_key(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort rows by key; give them, and where each key begins."""
    order = np.lexsort((rows["key"][:, 1], rows["key"][:, 0]))
    rows = rows[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows["key"][1:] != rows["key"][:-1]).any(axis=1)
    return rows, np.flatnonzero(first)
