"""Tables given by path or URI, fetched to a local file.

A data asset of Azure ML, `azureml:<name>:<version>` or `azureml:<name>@latest`, is a URI too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import fsspec

from steps.base.errors import FAILURE, StepError, Unreadable, first_line
from steps.base.files import whole_file
from steps.base.parsers import text
from steps.base.secrets import masked
from steps.base.temporary import PLACE

# The limits of Linux in bytes; no other system allows more.
LONGEST_NAME, LONGEST_PATH = 255, 4095
# Errors of aiohttp, which is there only if fsspec reads from the web.
LOST = {"ServerDisconnectedError", "ClientPayloadError"}
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

    There is none for an address with a query, which may choose the content, or with a secret.
    """
    if without_secrets(location) != location:
        return ""
    named = {key: str(stated[key]) for key in STATED if stated.get(key)}
    named = {key: text for key, text in named.items() if not text.startswith(WEAK)}
    if not named:
        return ""
    # `latest` is the version that it stands for.
    content = [str(stated.get("asset", location)), sorted(named.items())]
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
    with reading(location), fsspec.open(location, "rb") as opened:
        source = Guarded(opened, location)
        try:
            with whole_file(target) as copy, copy.open("wb") as file:
                shutil.copyfileobj(source, file)
        except OSError as error:
            raise StepError(
                f"could not copy {without_secrets(location)} to the place for temporary files: "
                f"{error.strerror or error}; set another one in the environment variable {PLACE}",
                exit_code=FAILURE,
            ) from error
    return target


@contextmanager
def reading(location: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one line; a StepError stays as it is.

    The library of each file system raises errors of its own. fsspec raises an ImportError for a
    scheme whose library is missing, and a ValueError for an unknown one.
    """
    try:
        yield
    except StepError:
        raise
    except Exception as error:
        raise _unreadable(location, error) from error


class Guarded(io.RawIOBase):
    """A file opened for reading whose errors are StepErrors that name it."""

    def __init__(self, opened: BinaryIO, location: str) -> None:
        self._opened, self._location = opened, location

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say whether it can be read from any place."""
        return self._opened.seekable()

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes: all if the size is negative."""
        with reading(self._location):
            return self._opened.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        with reading(self._location):
            return self._opened.seek(offset, whence)

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._opened.tell()

    def close(self) -> None:
        """Close it."""
        try:
            with reading(self._location):
                self._opened.close()
        finally:
            super().close()


def _unreadable(location: str, error: BaseException) -> Unreadable:
    """Say in one line why a URI cannot be read: missing, refused, or no connection."""
    # fsspec reports every HTTP failure as a missing file, with the real error as its cause.
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    cause = chain[-1]
    status = getattr(cause, "status", None)
    reason = masked(first_line(cause))
    if isinstance(cause, PermissionError) or status in (401, 403):
        why = f"HTTP {status}" if status else reason
        reason = f"access is refused ({why}); check the login, it may have expired"
    elif LOST & {type(each).__name__ for each in chain}:
        reason = "the connection ended before all of it had come; try again"
    elif isinstance(cause, FileNotFoundError) or status == 404:
        reason = "there is nothing at this address"
    elif isinstance(cause, ConnectionError | TimeoutError) or hasattr(cause, "os_error"):
        reason = f"no connection ({reason})"
    elif status:
        reason = f"the server answered HTTP {status}"
    return Unreadable(f"could not read {without_secrets(location)}: {reason}")


def without_secrets(location: str) -> str:
    """Shorten a URI for texts: no query, which in a signed URI is a secret, no user or password."""
    return masked(location.partition("?")[0]) if scheme(location) else location
