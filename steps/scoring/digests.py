"""The digest of what was scored, taken while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING

from steps.base.files import file_digest, named_digest

if TYPE_CHECKING:
    from steps.scoring.inputs import InputFile


class Digests:
    """sha256 of each file of the input; a context manager, for the thread that it may need."""

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
        """Give what is to be called with each piece of a file that is read in order."""
        content = hashlib.sha256()
        self._watched.append((file, content))
        return content.update

    def start(self, file: InputFile) -> None:
        """Begin to digest a file that is not read in order.

        One that is elsewhere is not fetched twice: what its file system says of its version
        stands for its content.
        """
        if file.is_local:
            self._started.append((file, self._pool.submit(file_digest, Path(file.path))))
        else:
            version = str(file.filesystem.checksum(file.path)).encode()
            self._watched.append((file, hashlib.sha256(version)))

    def value(self) -> str:
        """Give the digest of the only file, or one of the names and digests of all."""
        found = [(file, content.hexdigest()) for file, content in self._watched]
        found += [(file, future.result()) for file, future in self._started]
        if len(found) == 1:
            return found[0][1]
        return named_digest((PurePosixPath(file.path).name, digest) for file, digest in found)
