"""Memory that is given back to the system as soon as an array is let go."""

from __future__ import annotations

import ctypes
import os

# The number of the parameter in glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
BYTES = 1 << 20


def give_back_arrays() -> None:
    """Make the C library return each block of `BYTES` or more when it is freed.

    glibc raises this limit to 32 MB as soon as a block of that size is freed. From then on smaller
    ones stay with the thread that asked for them: a search of two threads over two million rows
    held 600 MB of nothing. Does nothing where the C library has no such call (macOS, musl).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, BYTES)
