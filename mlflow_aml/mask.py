"""Secrets in addresses: the login before the host, and the values of a query.

An address ends at whitespace. A quote or a bracket ends it too, unless a secret goes on behind it.
Where a text can be read in several ways, more is masked rather than less.

`steps/base/mask.py` and `mlflow_aml/mask.py` are the same file, which a test compares: the steps'
workers on a cluster have no project backend, and the backend serves projects without these steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MASK = "***"
# Query names of Azure ML Studio (workspace and tenant, which a login protects anyway) and of
# MLflow's pages.
PUBLIC = ("wsid", "tid", "flight", "workflowType")
# In abfss://container@account what is before the @ names a container; with a colon it is a login.
PLACES = ("abfs", "abfss", "wasb", "wasbs")

_MARK = r"['\"<>)]"
_CHARACTER = rf"(?:[^\s'\"<>)]|{_MARK}(?=[\w%~+/-]))"
_SCHEME = r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*:"
# One slash is a slip. Of chained addresses (`zip://a.csv::https://…`) each is one of its own.
_ADDRESS = re.compile(rf"({_SCHEME})(//?)((?:(?!{_SCHEME}//){_CHARACTER})*)", re.IGNORECASE)
_END = re.compile(r"[/?#]")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d*)?")
# A query, or a fragment that looks like one.
_QUERY = re.compile(r"\?|#(?=[^/?=#]+=)")
_PIECE = re.compile(r"[^&;#?]+")
_FIRST_VALUE = re.compile(r"\?[^=&?@]+=")
# The = at the end of a value without a name is of its encoding.
_NAMED = re.compile(r"(?P<name>[^=]+)=(?!=).+", re.DOTALL)
# Libraries also show a path with its query, without the host.
_PAIR = re.compile(rf"(?P<mark>[?&])(?P<name>[^\s=&?#'\"<>()]+)=(?:(?![&#]){_CHARACTER})+")
_MASKED = re.compile(r"://?\*{3}@|=\*{3}|\?\*{3}")


def masked(text: str) -> str:
    """Mask what may be a secret in each address of a text."""
    if ":/" not in text and "?" not in text:
        return text
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        parts += [_PAIR.sub(_hide_pair, text[end : found.start()]), _hide(*found.groups())]
        end = found.end()
    return "".join([*parts, _PAIR.sub(_hide_pair, text[end:])])


def is_masked(text: str) -> bool:
    """Tell whether a text has had a secret masked."""
    return bool(_MASKED.search(text))


def holds_login(text: str) -> bool:
    """Tell whether an address in a text holds a user or a password."""
    return any(_login_end(*found.groups()) >= 0 for found in _ADDRESS.finditer(text))


def query_names(text: str) -> Iterator[str]:
    """Yield the names of the values in the queries of a text's addresses."""
    for found in _ADDRESS.finditer(text):
        for piece in _PIECE.finditer(_split(*found.groups())[1]):
            if named := _NAMED.fullmatch(piece[0]):
                yield named["name"]


def _hide(scheme: str, slashes: str, rest: str) -> str:
    place, query = _split(scheme, slashes, rest)
    return scheme + slashes + place + _PIECE.sub(_hide_piece, query)


def _split(scheme: str, slashes: str, rest: str) -> tuple[str, str]:
    """Split an address, its login masked, behind the mark of its query."""
    at = _login_end(scheme, slashes, rest)
    place = MASK + rest[at:] if at >= 0 else rest
    query = _QUERY.search(place)
    return (place[: query.end()], place[query.end() :]) if query else (place, "")


def _login_end(scheme: str, slashes: str, rest: str) -> int:
    """Return the place of the @ after an address's login; -1 if it has none."""
    login, at, host = _END.split(rest, maxsplit=1)[0].rpartition("@")
    if _HOST.fullmatch(host) and ":" not in login:
        is_login = at and scheme[:-1].lower() not in PLACES and slashes == "//"
        return len(login) if is_login else -1
    # A password may hold any character; only a query is taken for one.
    query = _FIRST_VALUE.search(rest)
    return rest.rfind("@", 0, query.start() if query else None)


def _hide_piece(piece: re.Match[str]) -> str:
    named = _NAMED.fullmatch(piece[0])
    if named is None:
        return MASK
    return piece[0] if named["name"] in PUBLIC else f"{named['name']}={MASK}"


def _hide_pair(pair: re.Match[str]) -> str:
    return pair[0] if pair["name"] in PUBLIC else f"{pair['mark']}{pair['name']}={MASK}"
