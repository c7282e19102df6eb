"""What is not a table is no output, and an input is none either, by whatever name."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steps.base.errors import StepError
from steps.base.files import whole_file, whole_folder
from steps.base.places import check_apart
from tests.unprivileged import read_only_folder, run_unprivileged

PART_NAME = re.compile(r"part-\d{6,}\.parquet")


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Check that the names, kinds and sizes in a folder are the same afterwards."""

    def seen() -> list[tuple[str, int, int]]:
        found = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
        return [(str(path), state.st_mode, state.st_size) for path, state in found]

    before = seen()
    yield
    assert seen() == before


def make(kind: str, path: Path) -> None:
    """Make something that is neither a file nor a folder."""
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    else:
        path.symlink_to(path.name)


@pytest.mark.parametrize("kind", ["FIFO", "socket", "loop"])
@pytest.mark.parametrize("reached", ["directly", "by a link"])
def test_neither_file_nor_folder(kind: str, reached: str, tmp_path: Path) -> None:
    make(kind, tmp_path / "odd")
    output = tmp_path / "odd"
    if reached == "by a link":
        output = tmp_path / "link"
        output.symlink_to("odd")
    wanted = "Too many levels" if kind == "loop" else f"found the {kind} "
    with unchanged(tmp_path):
        with pytest.raises(StepError, match=wanted), whole_file(output):
            pytest.fail("not refused before anything is written")
        with pytest.raises(StepError, match=wanted), whole_folder(output, PART_NAME):
            pytest.fail("not refused before anything is written")


@pytest.mark.parametrize("kind", ["FIFO", "socket", "loop", "folder", "link", "foreign", "hidden"])
def test_folder_with_more_than_parts(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "part-000000.parquet").touch()
    inside = output / "part-000001.parquet"
    if kind == "folder":
        inside.mkdir()
        (inside / "thesis.txt").write_text("years of work")
    elif kind == "link":
        (tmp_path / "elsewhere").touch()
        inside.symlink_to(tmp_path / "elsewhere")
    elif kind in ("foreign", "hidden"):
        # As Spark names its own.
        (output / {"foreign": "part-00000-5e8f.snappy.parquet", "hidden": ".hidden"}[kind]).touch()
    else:
        os.chdir(output)
        make(kind, inside)
        os.chdir(tmp_path)
    with (
        unchanged(tmp_path),
        pytest.raises(StepError, match="this project's parts only"),
        whole_folder(output, PART_NAME),
    ):
        pytest.fail("not refused before anything is written")


def test_folder_in_place_of_a_file_and_the_reverse(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    with unchanged(tmp_path):
        with pytest.raises(StepError, match="the folder"), whole_file(tmp_path / "folder.csv"):
            pass
        with (
            pytest.raises(StepError, match="the file"),
            whole_folder(tmp_path / "file", PART_NAME),
        ):
            pass
        with (
            pytest.raises(StepError, match="Not a directory"),
            whole_file(tmp_path / "file" / "out.csv"),
        ):
            pass


def test_a_folder_that_may_not_be_written_to() -> None:
    write = "with whole_file(Path('a/b')): print('not refused before anything is written')"
    imports = "from pathlib import Path\nfrom steps.base.files import whole_file\n"
    with read_only_folder() as folder:
        ended = run_unprivileged(imports, write, folder)
        assert not list(folder.iterdir())
    assert "StepError: expected to write a/b, found that" in ended.stderr
    assert "may not be written to; choose another output" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("output", "how"),
    [
        ("in.csv", "is"),
        ("./sub/../in.csv", "is"),
        ("link.csv", "is"),
        ("hard.csv", "is"),
        ("linked/in.csv", "is"),
        ("sub/out.csv", "lies in"),
        ("sub/deeper/out", "lies in"),
        ("parts", "holds"),
        ("hard", "holds"),
    ],
)
def test_output_and_input_are_apart(output: str, how: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").touch()
    for folder in ("sub", "parts", "hard"):
        (tmp_path / folder).mkdir()
    part = tmp_path / "parts" / "part-000000.parquet"
    part.touch()
    (tmp_path / "link.csv").symlink_to("in.csv")
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "in.csv")
    (tmp_path / "hard" / part.name).hardlink_to(part)
    inputs = [tmp_path / "in.csv", tmp_path / "sub", part]
    with pytest.raises(StepError, match=f"found that {Path(output)} {how} "):
        check_apart(Path(output), inputs)


def test_other_outputs_are_apart(tmp_path: Path) -> None:
    (tmp_path / "in.csv").touch()
    (tmp_path / "folder").mkdir()
    for output in ("out.csv", "in.csv.gz", "folder-2/out.csv", "out"):
        check_apart(tmp_path / output, [tmp_path / "in.csv", tmp_path / "folder"])
