"""`python -m mlflow_aml`: the workspace's tracking URI, and jobs that were submitted before.

export MLFLOW_TRACKING_URI=$(python -m mlflow_aml workspace)
python -m mlflow_aml follow JOB
python -m mlflow_aml cancel JOB
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mlflow_aml.config import AUTO, CONFIG_FILE, WorkspaceConfig, choose_config
from mlflow_aml.errors import AzureMLError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        _run(arguments)
    except AzureMLError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the job goes on\n")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mlflow_aml",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in {
        "workspace": "print the workspace's tracking URI, and nothing else on standard output",
        "follow": "print a job's states and log to its end; Ctrl-C leaves the job as it is",
        "cancel": "ask Azure to cancel a job",
    }.items():
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument(
            "--workspace",
            default=AUTO,
            metavar="…",
            help=f"{AUTO}, or the path of a {CONFIG_FILE} (default: {AUTO})",
        )
        if name != "workspace":
            command.add_argument("job", metavar="JOB", help="the job's name, which is its run's id")
    return parser


def _run(arguments: argparse.Namespace) -> None:
    # Only now: Azure's libraries take a second to import.
    if arguments.command == "workspace":
        from mlflow_aml.workspace import tracking_uri

        sys.stdout.write(tracking_uri(_config(arguments.workspace)) + "\n")
        return
    from mlflow_aml.backend import cancel, finish, open_workspace

    uri = os.environ.get("MLFLOW_TRACKING_URI", "") if arguments.workspace == AUTO else ""
    workspace = open_workspace(uri, lambda: _config(arguments.workspace))
    (finish if arguments.command == "follow" else cancel)(workspace, arguments.job)


def _config(workspace: str) -> WorkspaceConfig:
    config = choose_config(workspace, Path.cwd())
    if config is None:
        raise AzureMLError(
            f"expected a {CONFIG_FILE} in {Path.cwd()}, its .azureml/ or a parent folder, found "
            "none; download it from the workspace's page in the portal"
        )
    return config


if __name__ == "__main__":
    raise SystemExit(main())
