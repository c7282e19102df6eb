"""Secrets in addresses, masked in every text that leaves the process.

Userinfo (`https://user:password@host`) and the values of a query (`?sig=…`) may be secrets, and
libraries repeat addresses in their messages. So this project masks texts where they leave: on the
console, in logs, in tracebacks, in what a run records. Inside the process they stay whole.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from types import TracebackType
from typing import Any

HIDDEN = "***"
# Query names of Azure ML Studio (workspace and tenant, which a login protects anyway) and of
# MLflow's pages.
PUBLIC = "wsid|tid|flight|workflowType"
# In abfss://container@account the userinfo names a container; with a colon it is a login.
_PLACE = r"(?:abfss?|wasbs?)://"
_USERINFO = re.compile(
    rf"(?<![a-z0-9+.-])(?P<scheme>(?!{_PLACE})[a-z][a-z0-9+.-]*://|{_PLACE}(?=[^\s/?#'\"]*:))"
    # Up to the last @ before the path, or further if a password holds a slash.
    r"(?:[^\s/?#'\"]*|[^\s/?#'\"]*:(?!\d+/)[^\s'\"]*)@",
    re.IGNORECASE,
)
_VALUE = re.compile(rf"(?P<name>[?&](?!(?:{PUBLIC})=)[^\s=&?#'\"<>()]+=)[^\s&#'\"<>)]+")
# A query without names is hidden whole.
_BARE = re.compile(
    r"(?<![a-z0-9+.-])(?P<address>[a-z][a-z0-9+.-]*://[^\s?#'\"]*\?)"
    r"[^\s=&#'\"*]+(?=$|[\s#'\"])",
    re.IGNORECASE,
)
_MASKED = re.compile(r"://\*{3}@|=\*{3}|\?\*{3}")


def masked(text: str) -> str:
    """Hide possible secrets in the addresses within a text."""
    if "://" not in text and "?" not in text:
        return text
    text = _USERINFO.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _VALUE.sub(rf"\g<name>{HIDDEN}", text)
    return _BARE.sub(rf"\g<address>{HIDDEN}", text)


def is_masked(text: str) -> bool:
    """Check whether a text has had a secret masked."""
    return bool(_MASKED.search(text))


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
