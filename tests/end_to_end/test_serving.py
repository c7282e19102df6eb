"""MLflow's own commands predict with a trained model: `mlflow models predict` and `serve`."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.conftest import DIABETES, SMALL, RunStep

LOCAL = ("--env-manager", "local")
ROWS = 20


def mlflow_models(command: str, model: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "mlflow", "models", command, "-m", model, *LOCAL, *options]


@contextmanager
def served(model: str) -> Iterator[str]:
    """Serve a model on a free loopback port; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--host", "127.0.0.1", "--port", str(port))
    # A session of its own: the server starts processes that must end with it.
    process = subprocess.Popen(
        mlflow_models("serve", model, *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not is_up(address):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.3)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def ask(address: str, kind: str, content: bytes) -> list[int]:
    request = urllib.request.Request(
        f"{address}/invocations", content, {"Content-Type": kind}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[int] = json.load(answer)["predictions"]
    return found


@pytest.mark.chain
def test_predict_and_serve(run_step: RunStep, tmp_path: Path) -> None:
    trained = run_step("train", **SMALL)
    with DIABETES.open() as file:
        rows = list(csv.reader(file))[: ROWS + 1]
    new = tmp_path / "new.csv"
    new.write_text("\n".join(",".join(row) for row in rows) + "\n")
    scored = run_step("batch_score", model=trained.id, input=str(new), output="scored.csv")
    assert scored.code == 0, scored.err
    with Path("scored.csv").open() as file:
        wanted = [int(row["prediction"]) for row in csv.DictReader(file)]
    model = f"runs:/{trained.id}/best_estimator"
    subprocess.run(
        mlflow_models("predict", model, "-i", str(new), "-o", "answer.json", "-t", "csv"),
        check=True,
    )
    assert json.loads(Path("answer.json").read_text())["predictions"] == wanted
    folder = Path(os.environ["MLFLOW_TRACKING_URI"].removeprefix("file://"))
    (example,) = folder.rglob("best_estimator/serving_input_example.json")
    # Whole numbers and a missing one, as a program writes them.
    whole = [[*map(round, map(float, row[:-1]))] for row in rows[1:3]]
    gaps = [[6, None, 72, None, 0, 30, 1, 50]]
    with served(model) as address:
        assert ask(address, "text/csv", new.read_bytes()) == wanted
        assert ask(address, "application/json", example.read_bytes()) in ([0], [1])
        for data in (whole, gaps):
            body = {"dataframe_split": {"columns": rows[0][:-1], "data": data}}
            assert len(ask(address, "application/json", json.dumps(body).encode())) == len(data)
