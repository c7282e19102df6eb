"""Secrets in addresses: the user and password before the host, the values of a query."""

from __future__ import annotations

import re

MASK = "***"
# Query names of Azure ML Studio: workspace and tenant, which a login protects anyway.
_PUBLIC = "wsid|tid|flight"
# In abfss://container@account the part before the @ names a container; with a colon it is a login.
_PLACE = r"(?:abfss?|wasbs?)://"
_LOGIN = re.compile(
    rf"(?<![a-z0-9+.-])(?P<scheme>(?!{_PLACE})[a-z][a-z0-9+.-]*://|{_PLACE}(?=[^\s/?#'\"]*:))"
    # Up to the last @ before the path, or further if a password holds a slash.
    r"(?:[^\s/?#'\"]*|[^\s/?#'\"]*:(?!\d+/)[^\s'\"]*)@",
    re.IGNORECASE,
)
# Only the values of a query are masked: its names show what it is about.
_QUERY = re.compile(
    r"(?P<address>\b[A-Za-z][A-Za-z0-9+.-]*:/{1,2}[^\s'\"<>?]*\?)(?P<query>[^\s'\"<>#]+)"
)
_VALUE = re.compile(rf"(?P<name>(?:^|(?<=[&;]))(?!(?:{_PUBLIC})=)[^=&;]*)=[^&;]*")
# What names of queries call a secret, as whole words: `X-Amz-Signature`, `api_key`, but no keyword.
_SECRET_NAME = re.compile(
    r"(?<![a-z])(?:sig|signature|token|secret|password|passwd|pwd|key|credentials?|code"
    r"|(?:api|access|account|auth|shared|subscription)[_-]?(?:key|token))(?![a-z])",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Mask what may be a secret in each address of a text."""
    text = _LOGIN.sub(rf"\g<scheme>{MASK}@", text)
    return _QUERY.sub(
        lambda found: found["address"] + _VALUE.sub(rf"\g<name>={MASK}", found["query"]), text
    )


def holds_secret(text: str) -> bool:
    """Tell whether an address in a text holds a login, or a query that is called a secret."""
    queries = (found["query"] for found in _QUERY.finditer(text))
    names = (name["name"] for query in queries for name in _VALUE.finditer(query))
    return bool(_LOGIN.search(text)) or any(map(_SECRET_NAME.search, names))
