"""What a step's process does around its work: imports, Ctrl-C and signals."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import TracebackType
from typing import NoReturn


def begin_imports() -> None:
    """Make this process ready for the imports of a script, which take seconds.

    Ctrl-C during them shows one line. The garbage collector rests until `end_imports`.
    """
    fill_closed_streams()
    gc.disable()
    sys.excepthook = _one_line_if_interrupted
    # Before MLflow: skops 0.16, which reads models, looks for each function of numpy and scipy in
    # every module loaded so far, in order; with scikit-learn's modules first it finds them soon.
    import sklearn.base  # noqa: F401


def fill_closed_streams() -> None:
    """Open what was closed of the standard streams (`2>&-`), so that no file takes its number.

    What a library writes to standard error would else go into a database, say.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def end_imports() -> None:
    """Let the garbage collector work again, but never look at what the imports have made.

    To search that for garbage again and again would take a fifth of the time to the first result.
    """
    gc.freeze()
    gc.enable()


def end_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into SystemExit, so that runs end FAILED and temporary files go.

    The exit code is 128 and the signal's number. An ignored signal (`nohup`) stays ignored.
    """
    for name in ("SIGTERM", "SIGHUP"):
        # Windows has no SIGHUP.
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _one_line_if_interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)
