"""Parsers of parameters."""

from __future__ import annotations

import shlex

import pytest

from steps.base import parsers


def test_integers() -> None:
    assert parsers.integers(1, none_allowed=True)("2, none,4") == (2, None, 4)


def test_words() -> None:
    assert parsers.words("none") == ()
    assert parsers.words("a, b") == ("a", "b")
    for wrong in ("a,,b", "a,a", "", "a\rb"):
        with pytest.raises(ValueError, match="different names"):
            parsers.words(wrong)


def test_words_as_a_shell_and_this_project_read_them() -> None:
    names = ("a", "weight, kg", 'said "no"', "it's")
    flag, option = shlex.split(parsers.asking("drop", names))
    assert (flag, option.partition("=")[0]) == ("-P", "drop")
    assert parsers.words(option.partition("=")[2]) == names


def test_number_excludes_its_open_ends() -> None:
    between = parsers.number(0, 1, open_ends=True)
    assert between("0.5") == 0.5
    for wrong in ("0", "1", "nan", "half"):
        with pytest.raises(ValueError, match="a number between 0 and 1"):
            between(wrong)
