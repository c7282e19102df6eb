"""A client process with the unmodified Azure and MLflow libraries, driven by a test."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

# What a test's first call can run: the libraries, a login, and a small run to look at.
LIBRARIES = """import os
from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication

def login():
    return ServicePrincipalAuthentication(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        _enable_caching=False,
    )

workspace = Workspace.from_config(auth=login())
import mlflow
from mlflow import MlflowClient
mlflow.set_experiment("loopback")
def tracked():
    with mlflow.start_run() as run:
        mlflow.log_params({"depth": 3})
        mlflow.log_metric("auc", 0.5)
        mlflow.log_text("hello", "notes/a.txt")
    return run.info.run_id
"""

# Commands typed one after the other: MLflow's own takes six seconds to import what it has.
COMMANDS = """import os, runpy, sys, tempfile
import mlflow.cli
from mlflow.tracking import fluent
from mlflow_aml.login import login

def command(module, *arguments, folder, env):
    os.environ.clear()
    mlflow.set_tracking_uri(None)
    fluent._active_experiment_id = None
    os.environ.update(env)
    login().forget()
    os.chdir(folder)
    sys.argv = [module, *arguments]
    code, kept = 0, [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        for number, file in ((1, out), (2, err)):
            os.dup2(file.fileno(), number)
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), kept):
                os.dup2(old, number)
                os.close(old)
        out.seek(0)
        err.seek(0)
        return [code, out.read(), err.read()]
"""


class InterpreterError(Exception):
    """An exception that a statement raised in the client, with its traceback."""


class Interpreter:
    """Run pieces of Python in one process with an environment of its own."""

    def __init__(self, env: Mapping[str, str], folder: Path, python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=folder,
            text=True,
        )
        self.output = ""
        """What the process printed so far."""

    def run(self, code: str) -> Any:
        """Run the code, return its last expression as JSON has it. Raises InterpreterError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("\0"):
                value, error = json.loads(line[1:])
                if error:
                    raise InterpreterError(error)
                return value
            self.output += line
        raise InterpreterError(f"the client process ended:\n{self.output}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _evaluate(code: str, variables: dict[str, Any]) -> Any:
    *statements, last = ast.parse(code).body
    exec(compile(ast.Module(statements, []), "client", "exec"), variables)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "client", "eval"), variables)
    exec(compile(ast.Module([last], []), "client", "exec"), variables)
    return None


def _serve() -> None:
    variables: dict[str, Any] = {"__name__": "client"}
    for line in sys.stdin:
        try:
            answer = [_evaluate(json.loads(line), variables), None]
        except Exception:  # noqa: BLE001 - the test gets whatever was raised
            answer = [None, traceback.format_exc()]
        sys.stdout.write("\n\0" + json.dumps(answer, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
