"""CSV files as input: their headers, and their rows in chunks of text."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from steps.base.errors import StepError, first_line
from steps.base.parsers import AUTO
from steps.data import csv_text
from steps.data.tables import check_header
from steps.scoring.csv_rows import CsvChunk, kept_fields
from steps.scoring.input_files import GZIP
from steps.scoring.recoding import Recoded, encoding_of

if TYPE_CHECKING:
    from steps.data.csv_text import Header
    from steps.scoring.input_files import Digests, InputFile
    from steps.scoring.rows import Selection


class CsvTable:
    """CSV files with the same columns, in any order."""

    def __init__(self, files: tuple[InputFile, ...], delimiter: str, encoding: str = AUTO) -> None:
        self.files, self._delimiter = files, delimiter
        self._encodings = [_find_encoding(file, encoding) for file in files]
        self._headers = [
            _read_header(file, delimiter, each)
            for file, each in zip(files, self._encodings, strict=True)
        ]
        self.columns = self._headers[0].columns
        for file, header in zip(files, self._headers, strict=True):
            check_same_columns(file.shown, header.columns, files[0].shown, self.columns)
        self.rows = _estimate(files, self._headers)

    def as_lines_possible(self, selection: Selection) -> bool:
        """Tell whether the row's own text can serve as its kept columns."""
        return (
            selection.keep == self.columns
            and self._delimiter == ","
            and all(header.columns == self.columns for header in self._headers)
        )

    def kept_types(self, selection: Selection) -> list[pa.Field]:
        """Return types: numbers for features, the classes' type for the target, else text."""
        return kept_fields(selection)

    def chunks(self, selection: Selection, digests: Digests) -> Iterator[CsvChunk]:
        """Read the files one after the other, and digest them on the way."""
        for whole in self._whole_files():
            yield from whole.chunks(digests.watch(whole.file))

    def _whole_files(self) -> Iterator[CsvSection]:
        for file, header, encoding in zip(self.files, self._headers, self._encodings, strict=True):
            yield CsvSection(
                file=file,
                columns=header.columns,
                delimiter=self._delimiter,
                start=header.size,
                size=None,
                line=1 + header.lines,
                encoding=encoding,
            )

    def sections(self, digests: Digests, size: int) -> Iterator[CsvSection]:
        """Cut the files into sections of about `size` bytes that can be read independently.

        This reads each uncompressed UTF-8 file once, to learn where rows end and to digest it.
        """
        for whole in self._whole_files():
            file = whole.file
            if file.format == GZIP or whole.encoding:
                # Compressed or recoded text can be read only from the start.
                yield whole
                digests.start(file)
                continue
            start, line, end, next_line = whole.start, whole.line, whole.start, whole.line
            for chunk in whole.chunks(digests.watch(file)):
                end, next_line = end + len(chunk.text), next_line + chunk.text.count(b"\n")
                if end - start >= size:
                    yield replace(whole, start=start, size=end - start, line=line)
                    start, line = end, next_line
            if end > start:
                yield replace(whole, start=start, size=end - start, line=line)


@dataclass(frozen=True)
class CsvSection:
    """Rows of one CSV file: `size` bytes of its text from `start` on, or all the rest.

    `line` is the number of the first line. `encoding` is "" for UTF-8; with any other encoding,
    `start` and `size` count bytes of the text recoded as UTF-8.
    """

    file: InputFile
    columns: tuple[str, ...]
    delimiter: str
    start: int
    size: int | None
    line: int
    encoding: str = ""

    def chunks(self, watch: Callable[[bytes], None] = lambda _: None) -> Iterator[CsvChunk]:
        """Read the rows; pass all bytes, from the file's start on, to `watch`."""
        line = self.line
        try:
            with self.file.open() as opened:
                read = self._reading(opened, watch)
                for text, regular in csv_text.checked_rows(read, self.delimiter):
                    yield CsvChunk(
                        file=self.file.shown,
                        text=text,
                        line=line,
                        columns=self.columns,
                        delimiter=self.delimiter,
                        encoding=self.encoding,
                        is_regular=regular,
                    )
                    line += text.count(b"\n")
        except csv_text.LongLineError as error:
            raise csv_text.too_long(self.file.shown, line) from error
        except UnicodeError as error:
            raise StepError(
                f"expected {self.encoding} text in {self.file.shown} from line {line} on, found: "
                f"{first_line(error)}"
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            raise StepError(
                f"could not read {self.file.shown} from line {line} on: {error}; is the file "
                "complete?"
            ) from error

    def _reading(self, opened: BinaryIO, watch: Callable[[bytes], None]) -> Callable[[int], bytes]:
        read = reading(opened, self.file.format, watch, self.encoding)
        if self.size is None:
            skip_exactly(read, self.start)
            return read
        opened.seek(self.start)
        left = self.size

        def read_within(size: int) -> bytes:
            nonlocal left
            block = read(min(size, left))
            left -= len(block)
            return block

        return read_within


def reading(
    opened: BinaryIO, format: str, watch: Callable[[bytes], None], encoding: str = ""
) -> Callable[[int], bytes]:
    """Return a function that reads a file's text as UTF-8; it passes the raw bytes to `watch`."""
    watched: Any = _Watched(opened, watch)
    unpacked: Any = gzip.GzipFile(fileobj=watched) if format == GZIP else watched
    return Recoded(unpacked, encoding).read if encoding else unpacked.read


class _Watched(io.RawIOBase):
    """A file that passes its bytes to a callback as they are read, in order."""

    def __init__(self, opened: BinaryIO, watch: Callable[[bytes], None]) -> None:
        self._opened, self._watch = opened, watch

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._opened.read(size)
        self._watch(block)
        return block


def skip_exactly(read: Callable[[int], bytes], size: int) -> None:
    """Read `size` bytes and discard them."""
    while size and (block := read(size)):
        size -= len(block)


def _find_encoding(file: InputFile, encoding: str) -> str:
    try:
        with file.open() as opened:
            return encoding_of(reading(opened, file.format, lambda _: None)(4), encoding)
    except (OSError, EOFError, zlib.error) as error:
        raise StepError(f"could not read {file.shown}: {first_line(error)}") from error


def _read_header(file: InputFile, delimiter: str, encoding: str) -> Header:
    try:
        with file.open() as opened:
            read = reading(opened, file.format, lambda _: None, encoding)
            header = csv_text.read_header(read, delimiter, file.shown)
    except (OSError, UnicodeError) as error:
        raise StepError(f"could not read {file.shown}: {first_line(error)}") from error
    check_header(header.columns, delimiter, file.shown)
    return header


def check_same_columns(
    file: str, columns: tuple[str, ...], first: str, expected: tuple[str, ...]
) -> None:
    """Raise a StepError if a file lacks or adds columns compared with the first; order is free."""
    differing = sorted(set(columns) ^ set(expected))
    if differing:
        where = "only in the first" if differing[0] in expected else "not in the first"
        raise StepError(
            f"expected the columns of {first} in every file, found {differing[0]} {where} when "
            f"reading {file}; score such files separately"
        )


def _estimate(files: tuple[InputFile, ...], headers: list[Header]) -> int | None:
    """Estimate the number of rows from the length of the first ones, for the progress bar."""
    sizes = [file.size for file in files if file.format != GZIP and file.size is not None]
    if len(sizes) != len(files):
        return None
    with files[0].open() as opened:
        sample = opened.read(headers[0].size + (1 << 16))[headers[0].size :]
    lines = sample.count(b"\n")
    return int(sum(sizes) * lines / len(sample)) if lines else None
