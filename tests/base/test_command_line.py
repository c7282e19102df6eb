"""What is typed, what stands in the environment, and the defaults, in this order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.base.command_line import CommandLine, read_command_line
from steps.base.parameters import parameter
from steps.base.parsers import integer, one_of, text


@dataclass(frozen=True)
class Toy:
    """Parameters of a step that is not there."""

    max_depth: int = parameter(integer(1), "3", "100% of the `depth`")
    data_file: str = parameter(text, "a|b", "where `x` is")
    on_drift: str = parameter(one_of("warn", "fail"), "warn", "what to do")


def read(*argv: str) -> CommandLine:
    return read_command_line("toy", Toy, "A toy.", argv)


def test_what_is_not_given_has_its_default() -> None:
    assert read().texts == {"max_depth": "3", "data_file": "a|b", "on_drift": "warn"}
    assert not read().debug


@pytest.mark.parametrize("argv", [["--max-depth=4"], ["--max_depth=4"], ["--max-depth", "4"]])
def test_a_dash_is_an_underscore(argv: list[str]) -> None:
    assert read(*argv).texts["max_depth"] == "4"


@given(st.text())
def test_values_stay_as_they_are(value: str) -> None:
    assert read(f"--data-file={value}").texts["data_file"] == value


def test_dashes_of_a_value_stay() -> None:
    assert read("--data_file", "a-b-c").texts["data_file"] == "a-b-c"
    assert read("--data_file=--a-b=c-d").texts["data_file"] == "--a-b=c-d"


@pytest.mark.parametrize("argv", [["--max"], ["--other=1"], ["word"], ["--max_depth"]])
def test_an_unknown_argument_is_one_line(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        read(*argv)
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.endswith("(see python -m steps.toy --help)\n")
    assert said.count("\n") == 1


def test_the_environment_counts_when_asked_and_typing_counts_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARAMETER_MAX_DEPTH", "5")
    monkeypatch.setenv("PARAMETER_DATA_FILE", "$(touch hacked); 'x'\n")
    assert read().texts["max_depth"] == "3"
    texts = read("--from_environment", "--max-depth=6").texts
    assert texts == {"max_depth": "6", "data_file": "$(touch hacked); 'x'\n", "on_drift": "warn"}
    assert read("--from-environment").texts["max_depth"] == "5"


def test_a_variable_that_names_no_parameter_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARAMETER_MAX_DEPHT", "5")
    assert read().texts["max_depth"] == "3"
    with pytest.raises(SystemExit, match="2"):
        read("--from_environment")
    assert "PARAMETER_MAX_DEPHT names no parameter" in capsys.readouterr().err


def test_help_is_plain_and_tells_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        read("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "--max_depth … 100% of the depth (default: 3)" in shown
    assert "--on_drift … what to do: warn, fail (default: warn)" in shown
    assert "--max-depth" in shown
    assert "143 SIGTERM" in shown
