"""What every step script does around its work: arguments, tracking server, run, errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from mlflow_aml.errors import AzureMLError
from steps.base import console, process, secrets
from steps.base.command_line import read_command_line
from steps.base.errors import FAILURE, INTERRUPTED, StepError
from steps.base.temporary import temporary_folder
from steps.store import chain, destination, recorded_secrets, runs

# What may go wrong around a step. requests' exceptions are OSErrors: the tracking server or the
# network is gone.
EXPECTED = (StepError, AzureMLError, *destination.FAILURES, OSError)


def run_script(step: chain.Step[Any, Any]) -> NoReturn:
    """Run a step as this process's script, and exit with its code."""
    process.end_imports()
    secrets.guard_process()
    sys.exit(launch(step))


def launch(step: chain.Step[Any, Any], argv: Sequence[str] | None = None) -> int:
    """Run a step from its command line; give the exit code (see steps.base.errors)."""
    destination.quieten()
    console.any_encoding()
    process.end_on_signals()
    debug = False
    try:
        # First: whatever else is wrong, what `mlflow run` has recorded is masked.
        recorded_secrets.mask_opened()
        line = read_command_line(step.name, step.parameters, step.description, argv)
        debug = line.debug
        return _launch(step, line.texts)
    except KeyboardInterrupt:
        console.complain("interrupted")
        return INTERRUPTED
    except EXPECTED as error:
        if debug:
            sys.stderr.write(secrets.masked_traceback(error))
        console.complain(f"error: {one_line(error)}")
        return exit_code(error)


def _launch(step: chain.Step[Any, Any], texts: dict[str, str]) -> int:
    call = chain.Call.of(step, texts)
    server = destination.connect(call.chosen.workspace, call.run_name)
    console.say(f"tracking: {server.uri} ({server.reason})")
    with (
        temporary_folder(step.name) as folder,
        runs.open_run(step.name, texts, call.run_name) as run,
    ):
        session = chain.Session(run.client, run.experiment_id, folder)
        result = chain.perform(call, step.find_source(call.chosen, session), run, session)
    for shown in (*result.lines, destination.where_to_look(server, run.id, run.experiment_id)):
        console.say(shown)
    return result.exit_code


def exit_code(error: BaseException) -> int:
    """Give the exit code of an expected error."""
    return error.exit_code if isinstance(error, StepError | AzureMLError) else FAILURE


def one_line(error: BaseException) -> str:
    """Put the message of an error on one line, with secrets masked."""
    return secrets.masked(" ".join(destination.message(error).split()) or type(error).__name__)
