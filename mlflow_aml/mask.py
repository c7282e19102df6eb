"""Secrets in addresses, masked: the user and password before the host, the values of a query."""

from __future__ import annotations

import re

MASK = "***"
_USER = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s'\"@]*@")
# Only the values of a query are masked: its names show what it is about.
_QUERY = re.compile(
    r"(?P<address>\b[A-Za-z][A-Za-z0-9+.-]*:/{1,2}[^\s'\"<>?]*\?)(?P<query>[^\s'\"<>#]+)"
)
_VALUE = re.compile(r"=[^&;]*")


def masked(text: str) -> str:
    """Mask what may be a secret in each address of a text."""
    text = _USER.sub(rf"\g<scheme>{MASK}@", text)
    return _QUERY.sub(lambda found: found["address"] + _VALUE.sub(f"={MASK}", found["query"]), text)
