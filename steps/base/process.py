"""How a step's process handles imports, Ctrl-C and signals."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import signal
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint
from types import TracebackType
from typing import Any, NoReturn

# The groups of plugins that MLflow 3.15 loads when it is imported, whether they are needed or not.
STORES = ("mlflow.tracking_store", "mlflow.model_registry_store", "mlflow.artifact_repository")

# Python 3.11's 700 let a short search spend a twentieth of its time on collections.
OBJECTS_BETWEEN_COLLECTIONS = 10_000


def begin_imports() -> None:
    """Prepare this process for a script's imports, which take seconds.

    Ctrl-C during the imports shows one line. The garbage collector is off until `end_imports`.
    """
    fill_closed_streams()
    gc.disable()
    sys.excepthook = _one_line_if_interrupted
    importlib.metadata.entry_points = _with_late_stores
    # Import these before MLflow: skops 0.16, which reads models, looks up each function of scipy
    # and numpy in all loaded modules, in order, and finds them sooner if these come first.
    import scipy.special  # noqa: F401
    import sklearn.base  # noqa: F401


def fill_closed_streams() -> None:
    """Reopen closed standard streams (`2>&-`) on the null device, so no file takes their numbers.

    Otherwise a library's standard error might end up in a database, say.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The system gives out the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def end_imports() -> None:
    """Turn the garbage collector on again, but exempt the objects that the imports created.

    Scanning those again and again would take a fifth of the time to the first result.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    importlib.metadata.entry_points = _entry_points


_entry_points: Any = importlib.metadata.entry_points


def _with_late_stores(**selected: Any) -> Any:
    """Give entry points, those of MLflow's stores as ones that load when they are called.

    A store of Azure ML costs every process 0.4 s of imports, also one that logs to a file.
    """
    found: Iterable[EntryPoint] = _entry_points(**selected)
    return [_LateStore(one) for one in found] if selected.get("group") in STORES else found


class _LateStore:
    """An entry point of a function that makes a store."""

    def __init__(self, entry_point: EntryPoint) -> None:
        self.name, self._entry_point = entry_point.name, entry_point

    def load(self) -> Callable[..., Any]:
        """Give a function that loads the real one and calls it."""
        return lambda *args, **named: self._entry_point.load()(*args, **named)


def end_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into SystemExit: runs end FAILED, and temporary files are removed.

    The exit code is 128 plus the signal's number. An ignored signal (`nohup`) stays ignored.
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
