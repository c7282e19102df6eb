"""What the terminal is given."""

from __future__ import annotations

import pytest

from steps.base import console


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("new\nline\r\x1b[2Jünï\u2028: category")
    assert capsys.readouterr().out == "new\\nline\\r\\x1b[2Jünï\\u2028: category\n"
