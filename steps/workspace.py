"""Print the MLflow tracking URI of the Azure ML workspace, and nothing else on standard output.

Use it as `export MLFLOW_TRACKING_URI=$(python -m steps.workspace)`.
"""

from __future__ import annotations

import sys

from mlflow_aml.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(["workspace", *sys.argv[1:]]))
