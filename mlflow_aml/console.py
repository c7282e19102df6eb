"""What the user reads in the terminal while a job goes on."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write one line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def warn(line: str) -> None:
    """Write one warning line to standard error, at once."""
    sys.stderr.write(f"warning: {line}\n")
    sys.stderr.flush()
