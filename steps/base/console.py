"""What the user reads in the terminal: lines, warnings and progress."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from tqdm import tqdm

from steps.base.errors import BROKEN_PIPE, FAILURE, StepError
from steps.base.secrets import masked

# Without a terminal (CI, a job's log), one line at this interval is enough.
SECONDS_BETWEEN_LINES = 5.0
_LINE_ENDS = (0x2028, 0x2029)

# What is not shown but acts: a name of a column may hold any character.
_CONTROLS = {code: ascii(chr(code))[1:-1] for code in (*range(32), *range(127, 160), *_LINE_ENDS)}


def any_encoding() -> None:
    """Write characters that the terminal's encoding lacks as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Write one line to standard output, above a progress bar if there is one."""
    _write(line, sys.stdout, "standard output")


def warn(line: str) -> None:
    """Write one warning line to standard error."""
    _write(f"warning: {line}", sys.stderr, "standard error")


def complain(line: str) -> None:
    """Write a step's last line to standard error, if that is still open."""
    with suppress(OSError):
        sys.stderr.write(f"{masked(line)}\n")


def _write(line: str, stream: TextIO | None, name: str) -> None:
    # Python sets a stream to None if it was closed before the process started.
    if stream is None:
        raise _closed(name)
    try:
        tqdm.write(masked(line).translate(_CONTROLS), file=stream)
        stream.flush()
    except OSError as error:
        # On exit Python would try once more to write what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if isinstance(error, BrokenPipeError):
            raise _closed(name) from error
        raise StepError(
            f"could not write to {name}: {error.strerror}", exit_code=FAILURE
        ) from error


def _closed(name: str) -> StepError:
    return StepError(
        f"expected to write to {name}, found it closed; to see less, send it to a file",
        exit_code=BROKEN_PIPE,
    )


class Progress:
    """Progress of countable work: a bar on a terminal, an occasional line elsewhere."""

    def __init__(self, total: int | None, unit: str, description: str) -> None:
        self._bar = tqdm(
            total=total,
            unit=unit,
            desc=description,
            unit_scale=total is None or total >= 10_000,
            disable=not sys.stderr.isatty(),
            leave=False,
        )
        self._total, self._unit, self._description = total, unit, description
        self._done, self._note = 0, ""
        self._started = self._last_line = time.monotonic()

    def update(self, count: int = 1, note: str = "") -> None:
        """Count `count` more units as done, and show `note` (a best score, say) beside them."""
        self._done += count
        self._note = note or self._note
        if not self._bar.disable:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            say(self._line())

    def _line(self) -> str:
        of_total = f"/{self._total:,}" if self._total is not None else ""
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        left = f", {(self._total - self._done) / rate:.0f} s left" if self._total and rate else ""
        note = f", {self._note}" if self._note else ""
        return (
            f"{self._description}: {self._done:,}{of_total} {self._unit}, "
            f"{rate:,.{0 if rate >= 100 else 1}f} {self._unit}/s{left}{note}"
        )

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


@contextmanager
def progress(total: int | None, unit: str, description: str) -> Iterator[Progress]:
    """Show progress over `total` units (None when unknown) while the block runs."""
    shown = Progress(total, unit, description)
    try:
        yield shown
    finally:
        shown.close()
