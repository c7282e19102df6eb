"""What may be a secret in an address is hidden, and the rest of a text is not."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from steps.base.secrets import is_masked, masked
from tests.conftest import PROJECT

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{CANARY}@host/a.csv",
        f"https://{CANARY}@host/a.csv",
        f"https://user:{CANARY}/x@host/a.csv",
        f"https://user:a@{CANARY}@host/a.csv",
        f"could not read 'https://host/a.csv?sig={CANARY}': 403, message='Forbidden'",
        f"https://host/a.csv?sv=1&sig={CANARY}%3D&se=2",
        f"https://host/a.csv?{CANARY}",
        f"Max retries exceeded with url: /a.csv?token={CANARY} (Caused by",
        f"postgresql+psycopg2://user:{CANARY}@db/mlflow",
        f"abfss://user:{CANARY}@account/x",
        f"s3://key:{CANARY}@bucket/x and https://host/?a={CANARY}",
        f"sqlite:///a.db?password={CANARY}",
        f"HTTPS://USER:{CANARY}@HOST/",
    ],
)
def test_secret(text: str) -> None:
    assert CANARY not in masked(text)
    assert is_masked(masked(text))
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "models:/diabetes@champion",
        "abfss://container@account.dfs.core.windows.net/table.parquet",
        "is the delimiter ';'? found a=b",
        "http://127.0.0.1:5000/#/experiments/1/runs/2?workflowType=machine_learning",
        "https://ml.azure.com/runs/r?wsid=/subscriptions/s/resourcegroups/g/workspaces/w",
        "https://host:8080/path@v1/a.csv",
        "sqlite:////tmp/a.db",
        '{"max_depth": ["?", 3]}',
    ],
)
def test_no_secret(text: str) -> None:
    assert masked(text) == text
    assert not is_masked(text)


def test_log_lines_and_uncaught_errors() -> None:
    code = (
        "import logging\n"
        "from steps.base.secrets import guard_process\n"
        "guard_process()\n"
        f"address = 'https://h/?sig=' + '{CANARY[:6]}' + '{CANARY[6:]}'\n"
        "try:\n    raise ValueError(address)\n"
        "except ValueError:\n    logging.exception('asking %s', address)\n"
        "raise RuntimeError(address)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert ended.stderr.count("sig=***") == 3, ended.stderr
    assert CANARY not in ended.stderr
    assert logging.getLogRecordFactory() is logging.LogRecord
