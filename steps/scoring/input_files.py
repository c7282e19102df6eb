"""The files that `input` names (one, a folder or a glob, local or remote), and their digest."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from steps.base.errors import StepError, Unreadable
from steps.base.files import file_digest, named_digest
from steps.data.sources import (
    Guarded,
    local_path,
    reading,
    scheme,
    start_of_relative,
    without_secrets,
)

CSV, GZIP, PARQUET = "CSV", "gzipped CSV", "Parquet"
MAGIC = {b"PAR1": PARQUET, b"\x1f\x8b": GZIP}
# Keys under which fsspec's file systems report a file's size, time and version.
VERSION = (
    *("size", "mtime", "modified", "created", "last_modified", "LastModified", "updated"),
    *("ETag", "etag", "version_id", "VersionId", "generation", "Content-MD5", "content_md5"),
)
CHANGED = "the output is left as it was: score the input when it is whole, or a copy of it"
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".pq")


@dataclass(frozen=True)
class InputFile:
    """One input file: how to open it, its name in messages, its size in bytes and its format.

    `version` changes when the content changes.
    """

    filesystem: Any
    path: str
    shown: str
    size: int | None
    format: str
    version: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the file is on this machine or on storage mounted here."""
        return isinstance(self.filesystem, LocalFileSystem)

    def exists(self) -> bool:
        """Tell whether this machine sees the file (a Dask worker may not)."""
        with reading(self.shown):
            return bool(self.filesystem.exists(self.path))

    def checksum(self) -> str:
        """Return what its file system reports about its content."""
        with reading(self.shown):
            return str(self.filesystem.checksum(self.path))

    def open(self) -> BinaryIO:
        """Open the file to read bytes."""
        opened: Any
        if self.is_local:
            opened = self.filesystem.open(self.path, "rb")
        else:
            with reading(self.shown):
                opened = Guarded(self.filesystem.open(self.path, "rb"), self.shown)
        file: BinaryIO = opened
        return file


def find_files(location: str) -> tuple[InputFile, ...]:
    """Find the files that a path, a glob or a URI names, sorted by path.

    In a folder, this takes files by their suffix and skips names that begin with `.` or `_`, as
    Spark and Dask do. All files must have one format, recognised by their first bytes.
    """
    with reading(location):
        filesystem, path = _filesystem(location)
        files = [_describe(filesystem, each, location) for each in _paths(filesystem, path)]
    if not files:
        raise Unreadable(
            f"expected a file, a folder of {', '.join(SUFFIXES)} files or a glob that matches "
            f"some, found nothing at {without_secrets(location)}{start_of_relative(location)}"
        )
    kinds = {file.format == PARQUET: file for file in files}
    if len(kinds) > 1:
        raise StepError(
            f"expected files of one format in {without_secrets(location)}, found "
            f"{kinds[False].shown} ({kinds[False].format}) and {kinds[True].shown} (Parquet)"
        )
    return tuple(files)


def _filesystem(location: str) -> tuple[Any, str]:
    path = local_path(location)
    if path is not None:
        return LocalFileSystem(), str(path.absolute())
    try:
        filesystem, inside = fsspec.core.url_to_fs(location)
    except ImportError:
        return _of_arrow(location)
    return filesystem, inside


def _of_arrow(location: str) -> tuple[Any, str]:
    # pyarrow brings S3, Google and Azure storage; fsspec needs a package for each.
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import FileSystem

    filesystem, path = FileSystem.from_uri(location)
    return ArrowFSWrapper(filesystem), path


def _paths(filesystem: Any, path: str) -> list[str]:
    # HTTP distinguishes a refusal from a missing file only when the file is opened.
    if filesystem.isfile(path) or (scheme(path) in ("http", "https") and not path.endswith("/")):
        return [path]
    if filesystem.isdir(path):
        return sorted(each for each in filesystem.find(path) if _is_data(each, path))
    if not glob.has_magic(path) or scheme(path) in ("http", "https"):
        return []
    matches = sorted(filter(filesystem.isfile, filesystem.glob(path)))
    # As in a shell, an asterisk does not match hidden files.
    return [each for each in matches if not PurePosixPath(each).name.startswith(".")]


def _is_data(path: str, folder: str) -> bool:
    inside = PurePosixPath(path.removeprefix(folder)).parts
    return path.lower().endswith(SUFFIXES) and not any(part[0] in "._" for part in inside)


def _describe(filesystem: Any, path: str, location: str) -> InputFile:
    shown = without_secrets(path)
    kind = scheme(location)
    if kind not in ("", "file") and not scheme(path):
        shown = f"{kind}://{shown.lstrip('/')}"
    with filesystem.open(path, "rb") as file:
        start = file.read(4)
    if not start:
        raise StepError(f"expected a table in {shown}, found an empty file")
    format = next((name for magic, name in MAGIC.items() if start.startswith(magic)), CSV)
    if format == CSV and urlsplit(shown).path.lower().endswith((".parquet", ".pq")):
        raise StepError(f"expected a Parquet file in {shown}, found none: its first bytes differ")
    return InputFile(
        filesystem, path, shown, filesystem.size(path), format, _version(filesystem, path)
    )


def _version(filesystem: Any, path: str) -> str:
    """Return size, time and whatever else a file system reports about a file's version."""
    if isinstance(filesystem, LocalFileSystem):
        status = Path(path).stat()
        return f"{status.st_size} bytes, {status.st_mtime_ns}, {status.st_ino}"
    # Some file systems cache their listings.
    filesystem.invalidate_cache()
    told = filesystem.info(path)
    return ", ".join(f"{key} {told[key]}" for key in VERSION if told.get(key) is not None)


def check_unchanged(files: Iterable[InputFile]) -> None:
    """Raise a StepError if a file has changed since it was listed: rows may be missing."""
    for file in files:
        try:
            with reading(file.shown):
                version = _version(file.filesystem, file.path)
        except StepError as error:
            raise StepError(
                f"expected {file.shown} to stay as it is while it is read, found: {error}; "
                f"{CHANGED}"
            ) from error
        if version != file.version:
            raise StepError(
                f"expected {file.shown} to stay as it is while it is read, found that it was "
                f"changed; {CHANGED}"
            )


class Digests:
    """The sha256 of each input file; a context manager, because it may run a thread."""

    def __init__(self) -> None:
        self._watched: list[tuple[InputFile, hashlib._Hash]] = []
        self._started: list[tuple[InputFile, Future[str]]] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")

    def __enter__(self) -> Digests:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def watch(self, file: InputFile) -> Callable[[bytes], None]:
        """Return the function to call with each piece of a file that is read in order."""
        content = hashlib.sha256()
        self._watched.append((file, content))
        return content.update

    def start(self, file: InputFile) -> None:
        """Start to digest a file that is not read in order.

        A remote file is not fetched twice: the version that its file system reports stands for
        its content.
        """
        if file.is_local:
            self._started.append((file, self._pool.submit(file_digest, Path(file.path))))
        else:
            self._watched.append((file, hashlib.sha256(file.checksum().encode())))

    def value(self) -> str:
        """Return the digest of the only file, or a digest of all names and digests."""
        digests = [(file, content.hexdigest()) for file, content in self._watched]
        digests += [(file, future.result()) for file, future in self._started]
        if len(digests) == 1:
            return digests[0][1]
        return named_digest((PurePosixPath(file.path).name, digest) for file, digest in digests)
