"""Files of text in any encoding and compression, read as streams of UTF-8."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from steps.base.errors import StepError
from steps.base.parsers import AUTO

# UTF-32 comes first, since its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLOCK = 1 << 20
_COMPRESSED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# The errors that reading a broken file raises.
BROKEN = (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile)


def parse_encoding(value: str) -> str:
    """Read the parameter `encoding`: `auto`, or the name of an encoding that Python knows."""
    if value == AUTO:
        return value
    try:
        b"a".decode(value)
        codecs.getincrementaldecoder(value)
    except (LookupError, UnicodeError, ValueError):
        raise ValueError("auto, or an encoding such as utf-8, latin-1, cp1252 or utf-16") from None
    return value


def sniff_encoding(start: bytes) -> str:
    """Name the encoding that the byte order mark in the first four bytes shows; else UTF-8."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")


class Utf8(io.RawIOBase):
    """A stream of bytes in some encoding, read as UTF-8.

    Reading text that is not in that encoding raises a UnicodeError.
    """

    def __init__(self, raw: BinaryIO, encoding: str = AUTO) -> None:
        self._start = raw.read(4) if encoding == AUTO else b""
        self.encoding = sniff_encoding(self._start) if encoding == AUTO else encoding
        self._raw = raw
        self._rest = b""
        is_utf8 = codecs.lookup(self.encoding).name == "utf-8"
        self._decoder = None if is_utf8 else codecs.getincrementaldecoder(self.encoding)()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        if not self._rest:
            self._rest = self._next(len(buffer))
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _next(self, size: int) -> bytes:
        while True:
            block, self._start = self._start or self._raw.read(min(size, _BLOCK)), b""
            if self._decoder is None:
                return block
            text = self._decoder.decode(block, final=not block)
            if text or not block:
                return text.encode()


def is_utf8(path: Path, encoding: str) -> bool:
    """Check whether a file's text is UTF-8, so that Arrow can read it directly."""
    with open_bytes(path) as raw:
        found = sniff_encoding(raw.read(4)) if encoding == AUTO else encoding
    return codecs.lookup(found).name == "utf-8"


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[io.BufferedReader]:
    """Open a file of text, compressed or not, as a stream of UTF-8."""
    with open_bytes(path) as raw:
        yield io.BufferedReader(Utf8(raw, encoding), _BLOCK)


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file, unpacked if it is a `.gz`, `.bz2` or `.xz`, or a `.zip` with one file."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if _is_content(name)]
            if len(names) != 1:
                raise StepError(
                    f"expected one file in {path.name}, found {len(names)}; unpack it and name "
                    "the table"
                )
            try:
                with archive.open(names[0]) as member:
                    yield member  # type: ignore[misc]
            except (RuntimeError, NotImplementedError) as error:
                # A password, or a compression method that Python lacks.
                raise StepError(f"could not unpack {path.name}: {error}; unpack it") from error
        return
    with _COMPRESSED.get(suffix, open)(path, "rb") as file:
        yield file


def _is_content(name: str) -> bool:
    # macOS adds its own files.
    return not name.endswith("/") and not name.startswith("__MACOSX/")
