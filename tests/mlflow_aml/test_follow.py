"""What is said of a job that has ended."""

from __future__ import annotations

import pytest

from mlflow_aml.follow import without_lines

FAILED = "Execution failed. User process 'python' exited with status code 2."
LOG = ["tracking: azureml://…", "error: data/t.csv: expected column Outcome, not found", "}"]


@pytest.mark.parametrize(
    ("message", "rest"),
    [
        (FAILED, FAILED),
        (f"{FAILED} Error: {LOG[1]} }}", f"{FAILED} Error"),
        (LOG[1], ""),
        ("", ""),
    ],
)
def test_azure_s_word_does_not_repeat_the_log(message: str, rest: str) -> None:
    assert without_lines(LOG, message) == rest
