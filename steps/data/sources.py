"""Tables given by path or URI, fetched to a local file.

A data asset of Azure ML, `azureml:<name>:<version>` or `azureml:<name>@latest`, is a URI too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec

from steps.base.errors import StepError, Unreadable, first_line
from steps.base.files import whole_file
from steps.base.parsers import text
from steps.base.secrets import masked

# The limits of Linux in bytes; no other system allows more.
LONGEST_NAME, LONGEST_PATH = 255, 4095
_ASSET = re.compile(r"azureml:(?P<name>[A-Za-z0-9][\w.-]*)(?::(?P<version>[\w.-]+)|@latest)$")
# Keys under which fsspec's file systems report what changes with the content, and only with it.
STATED = ("ETag", "etag", "version_id", "VersionId", "generation", "Content-MD5", "content_md5")
WEAK = "W/"


def location(value: str) -> str:
    """Read a parameter that is a path or a URI; a path must not be too long for a file.

    A data asset is returned as the URI that fsspec opens.
    """
    if asset := _ASSET.match(text(value)):
        version = f"versions/{asset['version']}" if asset["version"] else "labels/latest"
        return f"azureml://data/{asset['name']}/{version}"
    path = local_path(value)
    if path is not None and (
        len(os.fsencode(path)) > LONGEST_PATH
        or any(len(os.fsencode(name)) > LONGEST_NAME for name in path.parts)
    ):
        raise ValueError(
            f"a path of at most {LONGEST_PATH} bytes, each of its names of at most {LONGEST_NAME}"
        )
    return value


def scheme(location: str) -> str:
    """Name the scheme of a URI in lower case; "" for a path (a drive letter is no scheme)."""
    try:
        name = urlsplit(location).scheme.lower()
    except ValueError:
        # Brackets without an IPv6 address: not a URI, so a path.
        return ""
    return name if len(name) > 1 and ":/" in location else ""


def local_path(location: str) -> Path | None:
    """Return the path that a location names on this machine, or None if it is remote."""
    kind = scheme(location)
    if kind == "":
        return Path(location)
    return Path(unquote(urlsplit(location).path)) if kind == "file" else None


def start_of_relative(location: str) -> str:
    """Say where relative paths start, if the location is one: `mlflow run` chooses the folder."""
    path = local_path(location)
    if path is None or path.is_absolute():
        return ""
    return f" (relative paths start at {Path.cwd()})"


def describe(location: str) -> dict[str, Any]:
    """Ask the storage about a remote file; nothing for a local one, or if there is no answer."""
    if local_path(location) is not None:
        return {}
    try:
        filesystem, inside = fsspec.core.url_to_fs(location)
        return dict(filesystem.info(inside))
    except StepError:
        raise
    # Each file system's library raises its own errors; the reading will say what is wrong.
    except Exception:  # noqa: BLE001
        return {}


def version(location: str, stated: Mapping[str, Any]) -> str:
    """Hash what the storage has stated about a file's version; "" if that is nothing.

    Nor is there one for an address with a query: it may choose the content, or hold a secret.
    """
    if without_query(location) != location:
        return ""
    named = {key: str(stated[key]) for key in STATED if stated.get(key)}
    named = {key: text for key, text in named.items() if not text.startswith(WEAK)}
    if not named:
        return ""
    content = [masked(location), sorted(named.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def fetch(location: str, folder: Path) -> Path:
    """Return a local file with the content of a path or URI.

    A remote file is copied to `folder` once; the same location returns the same copy again.
    Raises Unreadable if there is nothing to read.
    """
    path = local_path(location)
    if path is None:
        return _download(location, folder)
    if not path.exists():
        raise Unreadable(
            f"expected a file at {location}, found nothing there{start_of_relative(location)}"
        )
    if not path.is_file():
        raise StepError(f"expected a file at {location}, found a folder")
    return path


def _download(location: str, folder: Path) -> Path:
    # Keep the suffix: it shows the format. The name of a data asset has none.
    is_asset = location.startswith("azureml://data/")
    named = str(describe(location).get("stored_as", location)) if is_asset else location
    suffixes = "".join(Path(urlsplit(named).path).suffixes)
    target = folder / (hashlib.sha256(location.encode()).hexdigest()[:16] + suffixes)
    if target.exists():
        return target
    # fsspec raises ImportError for a scheme whose library is missing and ValueError for an unknown
    # one; the library of each file system adds its own errors.
    try:
        with (
            fsspec.open(location, "rb") as source,
            whole_file(target) as copy,
            copy.open("wb") as file,
        ):
            shutil.copyfileobj(source, file)
    except Exception as error:
        raise unreadable(location, error) from error
    return target


def unreadable(location: str, error: BaseException) -> StepError:
    """Say in one line why a URI cannot be read: missing, refused, or no connection."""
    if isinstance(error, StepError):
        return error
    shown = masked(without_query(location))
    # fsspec reports every HTTP failure as a missing file, with the real error as its cause.
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    status = getattr(cause, "status", None)
    reason = masked(first_line(error))
    if isinstance(cause, PermissionError) or status in (401, 403):
        why = f"HTTP {status}" if status else reason
        reason = f"access is refused ({why}); check the login, it may have expired"
    elif isinstance(cause, FileNotFoundError) or status == 404:
        reason = "there is nothing at this address"
    elif isinstance(cause, ConnectionError | TimeoutError) or hasattr(cause, "os_error"):
        reason = f"no connection ({masked(first_line(cause))})"
    elif status:
        reason = f"the server answered HTTP {status}"
    return Unreadable(f"could not read {shown}: {reason}")


def without_query(location: str) -> str:
    """Remove the query of a URI: in a signed URI it is a secret."""
    return location.partition("?")[0] if scheme(location) else location
