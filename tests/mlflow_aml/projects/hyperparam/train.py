"""Fit a line by gradient descent with momentum, and log its error after each epoch."""

from __future__ import annotations

import argparse

import mlflow
import numpy as np
import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("training_data")
for name in ("epochs", "batch-size", "seed"):
    parser.add_argument(f"--{name}", type=int)
for name in ("learning-rate", "momentum"):
    parser.add_argument(f"--{name}", type=float)
given = parser.parse_args()
table = pd.read_csv(given.training_data).to_numpy(dtype=float)
table = (table - table.mean(axis=0)) / table.std(axis=0)
random = np.random.default_rng(given.seed)
weights = speed = np.zeros(table.shape[1] - 1)
with mlflow.start_run():
    for epoch in range(given.epochs):
        random.shuffle(table)
        for start in range(0, len(table), given.batch_size):
            batch = table[start : start + given.batch_size]
            errors = batch[:, :-1] @ weights - batch[:, -1]
            slope = errors @ batch[:, :-1] / len(batch)
            speed = given.momentum * speed - given.learning_rate * slope
            weights = weights + speed
        rmse = float(np.sqrt(np.mean((table[:, :-1] @ weights - table[:, -1]) ** 2)))
        mlflow.log_metric("val_rmse", rmse, step=epoch)
