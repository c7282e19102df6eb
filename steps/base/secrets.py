"""Secrets in addresses, masked in every text that leaves the process.

Userinfo (`https://user:password@host`) and the values of a query (`?sig=…`) may be secrets, and
libraries repeat addresses in their messages. So this project masks texts where they leave: on the
console, in logs, in tracebacks, in what a run records. Inside the process they stay whole.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

from steps.base.mask import is_masked as is_masked
from steps.base.mask import masked as masked


def masked_traceback(error: BaseException) -> str:
    """Format the traceback of an error, with secrets masked."""
    return masked("".join(traceback.format_exception(error)))


def guard_process() -> None:
    """Mask all that this process logs from now on, and tracebacks of uncaught errors."""
    show = sys.excepthook

    def show_masked(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            sys.stderr.write(masked_traceback(error))
        else:
            show(kind, error, trace)

    sys.excepthook = show_masked
    make_record = logging.getLogRecordFactory()

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make_record(*args, **kwargs)
        made.msg, made.args = masked(made.getMessage()), None
        if made.exc_info and made.exc_info[1]:
            # Formatters reuse this text if it is set.
            made.exc_text = masked_traceback(made.exc_info[1])
        return made

    logging.setLogRecordFactory(record)
