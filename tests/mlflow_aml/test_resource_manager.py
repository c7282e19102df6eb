"""What an answer of Azure means, in one line, and what is masked in it."""

from __future__ import annotations

import pytest

from loopback.faults import ARM
from loopback.workspace import LoopbackWorkspace
from mlflow_aml.errors import AzureMLError
from mlflow_aml.mask import masked
from mlflow_aml.resource_manager import current_cloud
from tests.loopback.interpreter import Interpreter

ASK = """
from pathlib import Path
from mlflow_aml.config import choose_config
from mlflow_aml.errors import AzureMLError
from mlflow_aml.login import login as own_login
from mlflow_aml.resource_manager import ResourceManager
azure = ResourceManager(choose_config("auto", Path.cwd()), own_login())
try:
    said = [sorted(azure.get()["properties"]), 0]
except AzureMLError as error:
    said = [str(error), error.exit_code]
said
"""


@pytest.mark.parametrize(
    ("status", "code", "said", "words", "exit_code"),
    [
        (403, "AuthorizationFailed", "x", "the role AzureML Data Scientist", 2),
        (
            403,
            "Forbidden",
            "Public access is not allowed,\n use a private endpoint",
            "refused (403 Forbidden): Public access is not allowed, use a private endpoint",
            2,
        ),
        (400, "QuotaExceeded", "12 cores of 10", "(400 QuotaExceeded): 12 cores of 10", 2),
        (400, "Odd", "see https://h/b?sig=abc", "see https://h/b?sig=***", 2),
        (429, "TooManyRequests", "x", "too many requests (429 TooManyRequests)", 1),
        (503, "ServiceUnavailable", "x", "Azure failed (503 ServiceUnavailable)", 1),
    ],
)
def test_a_refusal_is_one_line(
    interpreter: Interpreter,
    loopback_workspace: LoopbackWorkspace,
    status: int,
    code: str,
    said: str,
    words: str,
    exit_code: int,
) -> None:
    where = {"retry_after": 0.01 if status > 403 else None, "times": 20}
    loopback_workspace.faults.answer(status, ARM, code=code, message=said, **where)  # type: ignore[arg-type]
    text, found = interpreter.run(ASK)
    assert words in text
    assert "\n" not in text
    assert found == exit_code


def test_what_may_succeed_is_tried_again(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    for status in (429, 503):
        loopback_workspace.faults.answer(status, ARM, times=2, retry_after=0.01)
        assert interpreter.run(ASK)[1] == 0


def test_a_token_that_is_refused_before_its_time_is_renewed(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    assert interpreter.run(ASK)[1] == 0
    loopback_workspace.faults.revoke_tokens()
    assert interpreter.run(ASK)[1] == 0
    loopback_workspace.faults.answer(401, ARM, times=2, retry_after=None)
    text, code = interpreter.run(ASK)
    assert "did not accept this login's token" in text
    assert code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:password@host/a", "https://***@host/a"),
        ("see https://h/c/b?sig=abc&se=2 now", "see https://h/c/b?sig=***&se=*** now"),
        ("azureml://host/x?", "azureml://host/x?"),
        ("postgresql://me:secret@db:5432/x?ssl=1", "postgresql://***@db:5432/x?ssl=***"),
        ("a@b.c and 1 ? 2", "a@b.c and 1 ? 2"),
        ("'https://h/b?token=t' failed", "'https://h/b?token=***' failed"),
        ("https://user:pass/word@host/a", "https://***@host/a"),
        ("abfss://container@account/x", "abfss://container@account/x"),
        ("abfss://user:key@account/x", "abfss://***@account/x"),
        ("https://ml.azure.com/runs/a?wsid=/x&tid=y", "https://ml.azure.com/runs/a?wsid=/x&tid=y"),
    ],
)
def test_secrets_in_addresses_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert masked(expected) == expected


def test_the_cloud_is_one_of_azure_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_cloud() == "AzureCloud"
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "nimbus")
    with pytest.raises(AzureMLError, match="expected one of AzureCloud"):
        current_cloud()
