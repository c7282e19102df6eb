"""Make a table and keep it as an artifact of this run."""

from __future__ import annotations

import mlflow

with mlflow.start_run():
    lines = [f"{x},{3 * x + 1}" for x in range(50)]
    mlflow.log_text("\n".join(["x,y", *lines, ""]), "rows/raw.csv")
