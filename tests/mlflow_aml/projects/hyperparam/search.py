"""Try random learning rates and momenta, each as a run of `train`, and keep the best run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

import mlflow
import numpy as np
from mlflow.projects.submitted_run import SubmittedRun

parser = argparse.ArgumentParser()
parser.add_argument("training_data")
for name in ("max-runs", "max-p", "epochs", "seed"):
    parser.add_argument(f"--{name}", type=int)
for name in ("metric", "training-experiment-id"):
    parser.add_argument(f"--{name}")
given = parser.parse_args()
random = np.random.default_rng(given.seed)
# A job has it beside the experiment's id, and `mlflow run` takes only one of them.
os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)


def start(experiment: str) -> SubmittedRun:
    """Start one trial, and do not wait for it."""
    parameters = {
        "training_data": given.training_data,
        "epochs": str(given.epochs),
        "learning_rate": str(random.uniform(1e-4, 1e-1)),
        "momentum": str(random.uniform(0, 0.9)),
        "seed": str(given.seed),
    }
    trial: SubmittedRun = mlflow.projects.run(
        uri=".",
        entry_point="train",
        parameters=parameters,
        experiment_id=experiment,
        synchronous=False,
        env_manager="local",
    )
    return trial


def trials(experiment: str) -> Iterator[tuple[float, str]]:
    """Yield error and run of each trial that ended well."""
    for first in range(0, given.max_runs, given.max_p):
        count = min(given.max_p, given.max_runs - first)
        for trial in [start(experiment) for _ in range(count)]:
            if trial.wait():
                run = mlflow.MlflowClient().get_run(trial.run_id)
                yield run.data.metrics[f"val_{given.metric}"], trial.run_id


with mlflow.start_run() as active:
    error, best = min(trials(given.training_experiment_id or active.info.experiment_id))
    mlflow.log_metric(f"val_{given.metric}", error)
    mlflow.log_text(best, "best-run/best_run.txt")
