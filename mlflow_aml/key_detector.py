"""What looks like a key or a password: in files to upload, and in texts for a job."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from mlflow_aml.project_files import MEGABYTE, ProjectFiles

LARGEST_TEXT = MEGABYTE
# These look for random characters and addresses, most of which are no secrets.
VAGUE = {"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector"}
# These know a key by its form alone; the others need the name before it.
BY_NAME = {"KeywordDetector", "BasicAuthDetector"}
# What stands for a secret: the words for one, as in user:password@host, or the value of a kind.
PLACEHOLDER = re.compile(
    r"(?:(?:my|your|the|account|access|api|auth|client|db|private|shared|password|passwd|pass|pwd|pw"
    r"|secret|token|key|user|name|type|id|signature)s?[_ -]?)+|\*+|x+|…|\.+",
    re.IGNORECASE,
)
# `Server=h;Password=p`, `AccountKey=k`, `{"token": "t"}`; but no reference to another value.
_NAMED = re.compile(
    r"(?<![a-z0-9])(?:passw(?:or)?d|pwd|token|secret"
    r"|(?:account|access|shared[_-]?access|api|secret|private)[_-]?(?:access[_-]?)?key"
    r"|(?:access|auth|api|bearer|refresh|sas)[_-]?token|client[_-]?secret"
    r"|shared[_-]?access[_-]?signature)"
    r"""(?:\s*=|["']\s*:)\s*["']?(?P<value>[^\s"';,}&]+)""",
    re.IGNORECASE,
)
_REFERENCE = ("$", "{", "<", "%")


def keys_in_files(files: ProjectFiles) -> Iterator[tuple[PurePosixPath, int, str]]:
    """Yield the lines that look like keys: file, line number (from 1), and kind of key."""
    from detect_secrets.core.scan import scan_file

    with _detectors(VAGUE):
        may_hold = _quick_look()
        for name, size in files.sizes.items():
            if size > LARGEST_TEXT or not may_hold(files.read(name).decode(errors="replace")):
                continue
            lines = {
                item.line_number: item.type
                for item in scan_file(str(files.project / name))
                if not is_placeholder(item.secret_value)
            }
            for line, kind in sorted(lines.items()):
                yield name, line, kind


def _quick_look() -> Callable[[str], bool]:
    """Return a check of a whole text for what the present detectors look for.

    Line by line, as the library goes, this project takes 8 s.
    """
    from detect_secrets.plugins.keyword import DENYLIST
    from detect_secrets.settings import get_plugins

    patterns = [re.compile("|".join(DENYLIST), re.IGNORECASE)]
    for plugin in get_plugins():
        patterns += getattr(plugin, "denylist", [])
    return lambda text: any(pattern.search(text) for pattern in patterns)


def holds_key(text: str) -> bool:
    """Tell whether a text that is no address holds a key by its form, or a named password."""
    from detect_secrets.core.scan import scan_line

    if any(
        not named["value"].startswith(_REFERENCE) and not is_placeholder(named["value"])
        for named in _NAMED.finditer(text)
    ):
        return True
    with _detectors(VAGUE | BY_NAME):
        return any(True for line in text.splitlines() for _ in scan_line(line))


def is_placeholder(value: str | None) -> bool:
    """Tell whether a value is a word for a secret, not a secret."""
    return bool(PLACEHOLDER.fullmatch(value or ""))


@contextmanager
def _detectors(without: set[str]) -> Iterator[None]:
    """Use all of the library's detectors but some, while the block runs."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.settings import default_settings, transient_settings

    with default_settings():
        # It has no type information.
        mapping: dict[str, type] = get_mapping_from_secret_type_to_class()
        known = {each.__name__ for each in mapping.values()}
    with transient_settings({"plugins_used": [{"name": name} for name in sorted(known - without)]}):
        yield
