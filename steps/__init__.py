"""The steps of the project: scripts to run, and what they are made of."""

import sys
from types import TracebackType


def _one_line_if_interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)


# What a script imports takes seconds, in which no code of it could catch a Ctrl-C. Python has put
# `-m` here for just as long as it looks for the script: others who import the package are left be.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _one_line_if_interrupted
