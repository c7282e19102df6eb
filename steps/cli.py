"""What every step script does around its work: arguments, tracking server, run, errors."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from azure.core.exceptions import AzureError
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient

from mlflow_aml.errors import AzureMLError
from steps.base import console, parameters, process
from steps.base.command_line import read_command_line
from steps.base.errors import FAILURE, INTERRUPTED, StepError
from steps.store import chain, destination, runs


def run_script(step: chain.Step[Any]) -> NoReturn:
    """Run a step as the script of this process, and end the process with the exit code."""
    process.end_imports()
    sys.exit(launch(step))


def launch(step: chain.Step[Any], argv: Sequence[str] | None = None) -> int:
    """Run a step from its command line; give the exit code (see steps.base.errors)."""
    _quieten()
    process.end_on_signals()
    line = read_command_line(step.name, step.parameters, step.description, argv)
    try:
        return _launch(step, line.texts)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    # requests' exceptions are OSErrors: the tracking server or the network has gone.
    except (StepError, AzureMLError, MlflowException, AzureError, OSError) as error:
        if line.debug:
            traceback.print_exc()
        sys.stderr.write(f"error: {_one_line(error)}\n")
        return error.exit_code if isinstance(error, StepError | AzureMLError) else FAILURE


def _launch(step: chain.Step[Any], texts: dict[str, str]) -> int:
    chosen = parameters.parse(step.parameters, texts)
    server = destination.connect(chosen.workspace)
    console.say(f"tracking: {server.uri} ({server.reason})")
    with (
        tempfile.TemporaryDirectory(prefix=f"{step.name}-") as folder,
        runs.open_run(step.name, texts) as run,
    ):
        session = chain.Session(MlflowClient(), run.experiment_id, Path(folder))
        outcome = chain.perform(step, texts, run, session)
    for shown in (*outcome.lines, destination.where_to_look(server, run)):
        console.say(shown)
    return outcome.exit_code


def _quieten() -> None:
    # MLflow's own lines: addresses that do not exist on every server, and database set-up.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _one_line(error: BaseException) -> str:
    text = " ".join((_azure_answer(error) or str(error)).split())
    return text or type(error).__name__


def _azure_answer(error: BaseException) -> str:
    # Azure ML's refusals are not in MLflow's form: MLflow shows them as an unknown error's JSON.
    answer = error.json.get("error") if isinstance(error, RestException) else None
    if not isinstance(answer, dict) or "message" not in answer:
        return ""
    return f"Azure ML refused a request ({answer.get('code', 'no code')}): {answer['message']}"
