"""Print the MLflow tracking URI of the Azure ML workspace, and nothing else on standard output.

Use it as `export MLFLOW_TRACKING_URI=$(python -m steps.workspace)`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from steps.azure.config import AUTO, CONFIG_FILE, choose_config
from steps.core.errors import OK, StepError


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tracking URI; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="steps.workspace",
        description="Print the MLflow tracking URI of the Azure ML workspace.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--workspace",
        default=AUTO,
        metavar="…",
        help=f"{AUTO}, or the path of a {CONFIG_FILE} (default: {AUTO})",
    )
    try:
        sys.stdout.write(_tracking_uri(parser.parse_args(argv).workspace) + "\n")
    except StepError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return OK


def _tracking_uri(workspace: str) -> str:
    config = choose_config(workspace, Path.cwd())
    if config is None:
        raise StepError(
            f"expected a {CONFIG_FILE} in {Path.cwd()}, its .azureml/ or a parent folder, found "
            "none; download it from the workspace's page in the portal"
        )
    # Only now: azureml-core takes a second to import.
    from steps.azure.workspace import tracking_uri

    return tracking_uri(config)


if __name__ == "__main__":
    raise SystemExit(main())
