"""The imports of a script: they take seconds, in which no code of the step is there yet."""

from __future__ import annotations

import gc
import sys
from types import TracebackType


def begin_imports() -> None:
    """Make this process ready for a script's imports; Ctrl-C during them is one line."""
    gc.disable()
    sys.excepthook = _one_line_if_interrupted


def end_imports() -> None:
    """Leave aside, for the garbage collector, what the imports have made: it stays.

    To look for garbage among it again and again would take a fifth of the time to the first result.
    """
    gc.freeze()
    gc.enable()


def _one_line_if_interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)
