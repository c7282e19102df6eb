"""Fit an elastic net to the table beside this file; the arguments have a place, not a name."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.linear_model import ElasticNet
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split


def main(alpha: float, l1_ratio: float) -> None:
    table = pd.read_csv(Path(__file__).with_name("table.csv"))
    rows, target = table.drop(columns="Glucose"), table["Glucose"]
    known, held_out, known_target, held_out_target = train_test_split(rows, target, random_state=1)
    with mlflow.start_run():
        model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio).fit(known, known_target)
        mlflow.log_param("alpha", alpha)
        mlflow.log_param("l1_ratio", l1_ratio)
        mlflow.log_metric("r2", r2_score(held_out_target, model.predict(held_out)))
        # Stated, as it takes MLflow seconds to find out.
        needs = ["scikit-learn"]
        mlflow.sklearn.log_model(
            model, "model", registered_model_name="elastic-net", pip_requirements=needs
        )


main(*(float(text) for text in sys.argv[1:3]))
