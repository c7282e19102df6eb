"""What cog writes into MLproject, job.yml and the documentation, and that it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import yaml
from cogapp import Cog
from hypothesis import given
from hypothesis import strategies as st

from generate import reference
from steps.base.parameters import declared, parameter
from steps.base.parsers import number, one_of, text
from tests.conftest import PROJECT

WRITTEN = (
    *("MLproject", "job.yml", "steps/options.py"),
    *("docs/parameters.md", "docs/security.md"),
)
WRITE = f"python -m cogapp -r {' '.join(WRITTEN)}"
ODD = "a|b \"c\": {d} # e\\ 'f' é: - %"


@dataclass(frozen=True)
class Toy:
    """Parameters with all that could break a file."""

    odd: str = parameter(text, ODD, "`x|y`")
    share: float = parameter(number(0, 1), "0.50", "a share")
    kind: str = parameter(one_of("no", "on"), "no", "which kind")


TOY = declared(Toy)


def test_the_files_are_as_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    code = Cog().main(["cog", "--check", *WRITTEN])
    assert code == 0, f"{capsys.readouterr().out}\nrun {WRITE}"


def test_the_command_is_where_a_user_finds_it() -> None:
    for name in ("MLproject", "job.yml", "CONTRIBUTING.md"):
        assert WRITE in (PROJECT / name).read_text(encoding="utf-8"), name
    for name in (".ci/run", ".pre-commit-config.yaml"):
        text = (PROJECT / name).read_text(encoding="utf-8")
        assert f"--check {' '.join(WRITTEN)}" in text, name


def test_every_step_is_an_entry_point_with_a_table() -> None:
    scripts = {
        path.stem for path in (PROJECT / "steps").glob("*.py") if "\nSTEP" in path.read_text()
    }
    assert set(reference.ENTRY_POINTS) == scripts
    page = (PROJECT / "docs/parameters.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\w+)\n\n.*?^\| parameter \|", page, re.MULTILINE | re.DOTALL)
    assert sections == list(reference.ENTRY_POINTS)


def test_an_entry_point_is_yaml_that_gives_the_defaults_back() -> None:
    entry = yaml.safe_load(reference.entry_point("toy", TOY))["toy"]
    assert entry["parameters"] == {
        "odd": {"type": "string", "default": ODD},
        "share": {"type": "float", "default": "0.50"},
        "kind": {"type": "string", "default": "no"},
    }
    assert entry["command"] == "python -m steps.toy --odd={odd} --share={share} --kind={kind}"


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_variables_are_texts(default: str) -> None:
    @dataclass(frozen=True)
    class Any:
        x: str = parameter(text, default, "anything")

    assert yaml.safe_load(reference.variables(declared(Any))) == {"PARAMETER_X": default}


def test_a_table_has_one_row_for_each_parameter() -> None:
    rows = reference.table(TOY).strip().splitlines()[2:]
    assert rows[0].startswith("| `odd` | `a\\|b ")
    assert rows[0].endswith(" | `x\\|y` |")
    assert rows[2] == "| `kind` | `no` | which kind: `no`, `on` |"
