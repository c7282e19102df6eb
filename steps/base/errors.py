"""The project's one exception and its exit codes.

===  =======================================================================
0    the step did what was asked
1    something unexpected failed (tracking server lost, a bug)
2    bad input: a parameter, a file or a run is not what the step needs
3    the scored data drifted and ``on_drift=fail`` was asked; predictions kept;
     or ``monitor`` found something and ``on_alert=fail`` was asked
4    the model missed its gate; the run is FINISHED, nothing was registered
129  ended by SIGHUP: the terminal was closed
130  interrupted with Ctrl-C
141  standard output was closed by its reader (``| head -1``), or from the start
143  ended by SIGTERM
===  =======================================================================
"""

from __future__ import annotations

OK = 0
FAILURE = 1
BAD_INPUT = 2
DRIFT = 3
GATE = 4
INTERRUPTED = 130
BROKEN_PIPE = 141


class StepError(Exception):
    """A failure the user can act on.

    The message is one line: what was expected, what was found, what to do next.
    It must never hold a secret.
    """

    def __init__(self, message: str, *, exit_code: int = BAD_INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Unreadable(StepError):
    """An input that cannot be reached from this machine."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type if it has none."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)
