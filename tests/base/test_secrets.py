"""What may be a secret in an address is hidden, and the rest of a text is not."""

from __future__ import annotations

import inspect
import logging
import re
import subprocess
import sys
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlflow_aml import mask as backend_mask
from steps.base import mask
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
        f"https://user:it's{CANARY}@host/a.csv",
        f'https://user:"{CANARY}@host/a.csv',
        f"https://me@example.org:a/{CANARY}@host/a.csv",
        f"https://host/a.csv?sig=a('{CANARY}<b{CANARY}&x=1",
        f"(https://host/a.csv?sig=a&{CANARY};{CANARY}#{CANARY})",
        f"https://host/a.csv?{CANARY}==",
        f"https://host/a.csv#token={CANARY}",
        f"https:/user:{CANARY}@host/a.csv",
        f"zip://a.csv::https://user:{CANARY}@host/a.zip",
        f"simplecache::https://host/a.csv?sig={CANARY}",
        f"https://u:p@host/a,https://u:{CANARY}@host/b",
        f"mssql+pyodbc:///?odbc_connect=PWD%3D{CANARY}",
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
        '["https://host/a","https://b/c@d"]',
        '{"url":"https://host/x","mail":"a@b"}',
        "data/part-?.csv",
        "azureml://subscriptions/s/workspaces/w?",
        "see [a](http://h:5000/#/experiments/1/runs/2), (https://h/a): it's",
        "C:/Users/me@home/a.csv",
    ],
)
def test_no_secret(text: str) -> None:
    assert masked(text) == text
    assert not is_masked(text)


# A quote or bracket that punctuation follows ends an address, as in most sentences.
SECRET = (
    st.text("ab1'\"()<>;:,.%=&?#@/+-_~!$*")
    .map(lambda text: f"x{text}{CANARY}")
    .filter(lambda text: not re.search(r"['\"<>)](?![\w%~+/-])|://", text))
)
FORMS = ("{}", "'{}'", '"{}"', "({})", "could not read {}: gone", "[{}], {}", "<{}>.", "{!r}")


@given(SECRET, st.sampled_from(FORMS))
def test_any_password_in_any_sentence(secret: str, form: str) -> None:
    address = f"https://user:{secret}@host/a.csv"
    # From there on it is a query.
    assume(not re.search(r"\?[^=&?@]+=", secret))
    text = form.format(address, address)
    assert CANARY not in masked(text)
    assert masked(masked(text)) == masked(text)


@given(SECRET, st.sampled_from(FORMS))
def test_any_value_of_a_query_in_any_sentence(secret: str, form: str) -> None:
    address = f"https://host/a.csv?sv=1&sig={secret}&se=2"
    text = form.format(address, address)
    assert CANARY not in masked(text)
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    ["a://" + 30_000 * ":", 20_000 * "a://u:p@", "a://h/" + 30_000 * "#a", 30_000 * "?a="],
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    started = time.process_time()
    masked(text)
    assert time.process_time() - started < 2


def test_the_project_backend_has_the_same_rule() -> None:
    # Neither may need the other, so each has its own copy.
    assert inspect.getsource(mask) == inspect.getsource(backend_mask)


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
