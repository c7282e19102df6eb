"""Text in other encodings than UTF-8, as a stream of UTF-8."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO

from steps.base.parsers import AUTO
from steps.data.text_files import sniff_encoding

BLOCK = 1 << 20


def encoding_of(start: bytes, encoding: str) -> str:
    """Name the encoding of a text from its first four bytes: "" for UTF-8."""
    name = sniff_encoding(start) if encoding == AUTO else encoding
    return "" if codecs.lookup(name).name == "utf-8" else name


class Recoded(io.RawIOBase):
    """A file's text as UTF-8.

    Bytes that are invalid in the encoding become invalid UTF-8, so that their row counts as bad.
    Where that is impossible (half of a two-byte character), reading raises a UnicodeError.
    """

    def __init__(self, raw: BinaryIO | io.RawIOBase, encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size:
            block = self._raw.read(BLOCK) or b""
            text = self._decoder.decode(block, final=not block)
            self._rest += text.encode("utf-8", "surrogatepass")
            if not block:
                break
        found, self._rest = self._rest[:size], self._rest[size:]
        return found
