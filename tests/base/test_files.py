"""Outputs appear whole or not at all, whatever happens to their writer."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from steps.base.errors import StepError
from steps.base.files import whole_file, whole_folder, with_companion, writing

PART_NAME = re.compile(r"part-\d")

HOLD = """
import re, sys, time
from pathlib import Path
from steps.base.files import whole_file, whole_folder
output = Path(sys.argv[1])
with whole_folder(output, re.compile(".*")) if not output.suffix else whole_file(output) as part:
    (part / "part-0" if part.is_dir() else part).write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def parts(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def hold(output: Path) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    return writer


def kill(writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.communicate()


@pytest.mark.parametrize("name", ["out.csv", "out"])
def test_killed_writer_leaves_the_old_output(name: str, tmp_path: Path) -> None:
    output = tmp_path / name
    for text in ("old", "new"):
        kill(hold(output)) if text == "new" else None
        if text == "new":
            assert len(parts(tmp_path)) == 1
            assert (output / "part-0" if not output.suffix else output).read_text() == "old"
        with whole_file(output) if output.suffix else whole_folder(output, PART_NAME) as part:
            (part if output.suffix else part / "part-0").write_text(text)
        assert (output if output.suffix else output / "part-0").read_text() == text
    assert parts(tmp_path) == []


def test_living_writer_is_left_alone(tmp_path: Path) -> None:
    writer = hold(tmp_path / "out.csv")
    with whole_file(tmp_path / "out.csv") as part:
        part.write_text("second")
    assert len(parts(tmp_path)) == 1
    kill(writer)


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_file(tmp_path / "out.csv") as part:
            part.write_text("half")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()
    assert not list(tmp_path.glob("*out*"))


def test_errors_of_reading_are_not_those_of_writing(tmp_path: Path) -> None:
    def read() -> None:
        output = tmp_path / "out.csv"
        with whole_file(output) as part, writing(output, part.open("w")) as file:
            file.write("half")
            raise ConnectionResetError("the input's server is gone")

    with pytest.raises(ConnectionResetError):
        read()
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("old", [True, False])
def test_an_output_and_its_companion_appear_both_or_neither(old: bool, tmp_path: Path) -> None:
    output, companion = tmp_path / "out", tmp_path / "out.rejected.csv"

    def write(text: str, *, disturbed: bool = False) -> None:
        with with_companion(whole_folder(output, PART_NAME), companion) as (folder, beside):
            (folder / "part-0").write_text(text)
            beside.write_text(text)
            if disturbed:
                # The output can no longer be put in its place, which shows at the very end.
                output.mkdir(exist_ok=True)
                (output / "thesis.tex").touch()

    if old:
        write("old")
    with pytest.raises(StepError, match=r"thesis\.tex"):
        write("new", disturbed=True)
    assert companion.exists() == old
    if old:
        assert (output / "part-0").read_text() == companion.read_text() == "old"
    (output / "thesis.tex").unlink()
    write("newest")
    assert (output / "part-0").read_text() == companion.read_text() == "newest"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", companion.name]


def test_as_readable_as_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with whole_file(tmp_path / "out.csv"):
        pass
    assert (tmp_path / "out.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.csv").symlink_to(tmp_path / "elsewhere" / "real.csv")
    with whole_file(tmp_path / "out.csv") as part:
        part.write_text("new")
    assert (tmp_path / "elsewhere" / "real.csv").read_text() == "new"


def test_folders_written_at_the_same_time(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for _ in range(10):
                with whole_folder(tmp_path / "out", PART_NAME) as part:
                    for name in ("part-0", "part-1"):
                        (part / name).write_text(str(number))
        except StepError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed
    first, second = [(tmp_path / "out" / name).read_text() for name in ("part-0", "part-1")]
    assert first == second
    assert parts(tmp_path) == []


def test_no_locks_on_this_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    # As NFS answers for a folder.
    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / ".out.01234567.part").mkdir()
    with whole_folder(tmp_path / "out", PART_NAME) as part:
        (part / "part-0").touch()
    assert (tmp_path / "out" / "part-0").exists()
    assert parts(tmp_path) == [".out.01234567.part"]


def test_only_what_a_writer_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / ".out.csv.01234567.part"
    left.touch()
    (tmp_path / ".out.csv.mine.part").touch()
    # To open it would wait for a writer.
    os.mkfifo(tmp_path / ".out.csv.fedcba98.part")
    with whole_file(tmp_path / "out.csv"):
        pass
    assert sorted(parts(tmp_path)) == [".out.csv.fedcba98.part", ".out.csv.mine.part"]
