"""What a library's error says, in one line."""

from __future__ import annotations

import pytest

from steps.base.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one \ntwo"), "one"),
        (OSError(2, "No such file", "a"), "[Errno 2] No such file: 'a'"),
        (TimeoutError(), "TimeoutError"),
        (TimeoutError(" \n"), "TimeoutError"),
    ],
)
def test_first_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
