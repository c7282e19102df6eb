"""`python -m mlflow_aml workspace`: print the MLflow tracking URI of the Azure ML workspace.

Use it as `export MLFLOW_TRACKING_URI=$(python -m mlflow_aml workspace)`: nothing else is written
to standard output.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mlflow_aml.config import AUTO, CONFIG_FILE, choose_config
from mlflow_aml.errors import AzureMLError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mlflow_aml", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    workspace = commands.add_parser("workspace", help="print the workspace's tracking URI")
    workspace.add_argument(
        "--workspace",
        default=AUTO,
        metavar="…",
        help=f"{AUTO}, or the path of a {CONFIG_FILE} (default: {AUTO})",
    )
    arguments = parser.parse_args(argv)
    try:
        sys.stdout.write(_tracking_uri(arguments.workspace) + "\n")
    except AzureMLError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def _tracking_uri(workspace: str) -> str:
    config = choose_config(workspace, Path.cwd())
    if config is None:
        raise AzureMLError(
            f"expected a {CONFIG_FILE} in {Path.cwd()}, its .azureml/ or a parent folder, found "
            "none; download it from the workspace's page in the portal"
        )
    # Only now: azureml-core takes a second to import.
    from mlflow_aml.workspace import tracking_uri

    return tracking_uri(config)


if __name__ == "__main__":
    raise SystemExit(main())
