"""Fit a polynomial to the short table, and measure it on the whole one."""

from __future__ import annotations

import argparse
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=Path)
parser.add_argument("--cleaned-uri")
parser.add_argument("--degree", type=int)
given = parser.parse_args()
with mlflow.start_run():
    short = pd.read_csv(Path(mlflow.artifacts.download_artifacts(given.cleaned_uri), "rows.csv"))
    whole = pd.read_csv(given.rows / "raw.csv")
    curve = np.polynomial.Polynomial.fit(short["x"], short["y"], given.degree)
    mlflow.log_metric("rmse", float(np.sqrt(np.mean((curve(whole["x"]) - whole["y"]) ** 2))))
