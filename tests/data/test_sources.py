"""A table that is fetched: what fails while it is read is told from what fails while it is kept."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import fsspec
import pytest

from steps.base.errors import FAILURE, StepError, Unreadable
from steps.data.sources import Guarded, fetch, without_secrets

CANARY = "canary-51d0"


def test_no_room_for_the_copy(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/in/t.csv", bytes(1 << 20))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(StepError, match=r"could not copy memory://in/t\.csv") as raised:
            fetch("memory://in/t.csv", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "place for temporary files: File too large; set another one" in str(raised.value)
    assert raised.value.exit_code == FAILURE
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


class Breaking(io.BytesIO):
    """A file whose connection breaks."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError("connection reset by peer")


def test_a_connection_that_breaks() -> None:
    address = f"s3://user:{CANARY}@bucket/t.csv?sig={CANARY}"
    broken = Guarded(Breaking(), address)
    with pytest.raises(Unreadable) as raised:
        broken.read(10)
    said = str(raised.value)
    assert said == "could not read s3://***@bucket/t.csv: no connection (connection reset by peer)"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (f"https://user:{CANARY}@host/t.csv?sig={CANARY}", "https://***@host/t.csv"),
        ("abfss://container@account/t.csv", "abfss://container@account/t.csv"),
        ("data/who@where?.csv", "data/who@where?.csv"),
    ],
)
def test_how_texts_name_a_location(location: str, shown: str) -> None:
    assert without_secrets(location) == shown
