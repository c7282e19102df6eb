"""Parsers of parameters, and the form in which runs record them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.base import parameters
from steps.base.errors import StepError


@given(st.text())
def test_what_is_recorded_reads_back(text: str) -> None:
    assert parameters.from_recorded(parameters.as_recorded(text)) == text


def test_integers() -> None:
    assert parameters.integers(1, none_allowed=True)("2, none,4") == (2, None, 4)


def test_words() -> None:
    assert parameters.words("none") == ()
    assert parameters.words("a, b") == ("a", "b")
    with pytest.raises(ValueError, match="different names"):
        parameters.words("a,,b")


def test_number_excludes_its_open_ends() -> None:
    between = parameters.number(0, 1, open_ends=True)
    assert between("0.5") == 0.5
    for wrong in ("0", "1", "nan", "half"):
        with pytest.raises(ValueError, match="a number between 0 and 1"):
            between(wrong)


def test_missing_mlproject(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(parameters, "PROJECT", tmp_path)
    parameters.project_file.cache_clear()
    with pytest.raises(StepError, match="expected the file MLproject"):
        parameters.project_file()
    parameters.project_file.cache_clear()
