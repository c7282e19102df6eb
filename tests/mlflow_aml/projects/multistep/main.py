"""Run the other entry points one after another; what one has made, the next one gets."""

from __future__ import annotations

import argparse

import mlflow
from mlflow.entities import Run

FINISHED = "attributes.status = 'FINISHED' and tags.`mlflow.project.entryPoint` = '{}'"


def step(experiment: str, entry_point: str, parameters: dict[str, str]) -> Run:
    """Return the finished run of an entry point with these parameters, made now if need be."""
    client = mlflow.MlflowClient()
    for run in client.search_runs([experiment], FINISHED.format(entry_point)):
        if parameters.items() <= run.data.params.items():
            return run
    made = mlflow.run(".", entry_point, parameters=parameters, env_manager="local")
    return client.get_run(made.run_id)


parser = argparse.ArgumentParser()
parser.add_argument("--max-row-limit")
parser.add_argument("--degree")
given = parser.parse_args()
with mlflow.start_run() as active:
    here = active.info.experiment_id
    rows = f"{step(here, 'load_rows', {}).info.artifact_uri}/rows"
    limited = {"rows": rows, "max_row_limit": given.max_row_limit}
    cleaned = f"{step(here, 'clean_rows', limited).info.artifact_uri}/cleaned"
    again = step(here, "clean_rows", limited)
    mlflow.set_tag("found_again", cleaned.startswith(again.info.artifact_uri))
    step(here, "train", {"rows": rows, "cleaned_uri": cleaned, "degree": given.degree})
