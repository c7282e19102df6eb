"""MLflow's own examples, unchanged, as jobs.

They are not kept here. MLFLOW_EXAMPLES names a folder with checkouts of github.com/mlflow/mlflow
and github.com/mlflow/mlflow-example; without it pytest does not collect this file (conftest.py),
and test_any_project.py runs projects of the same shapes.

Jobs run with MLflow 2, as on Azure: the examples leave its version open. Two of them need what a
loopback workspace does not have, and end at the line that needs it:

- sklearn_elasticnet_wine, `pd.read_csv(csv_url, sep=";")`: archive.ics.uci.edu;
- hyperparam, `from tensorflow import keras`: TensorFlow.

multistep_workflow needs files.grouplens.org, Spark and Keras: only its shape is tested.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import Laptop, azure_runs
from tests.mlflow_aml.toy import last_job, submit

pytestmark = pytest.mark.slow


def example(laptop: Laptop, name: str) -> Laptop:
    """Copy an example to the machine, with the workspace's config.json beside its files."""
    folder = laptop.folder.with_name(Path(name).name)
    shutil.copytree(
        Path(os.environ["MLFLOW_EXAMPLES"]) / name, folder, ignore=shutil.ignore_patterns(".git")
    )
    laptop.workspace.write_config(folder)
    return Laptop(laptop.workspace, folder, laptop.env)


def test_mlflow_example(laptop: Laptop, workspace: LoopbackWorkspace) -> None:
    done = submit(example(laptop, "mlflow-example"), "main", "alpha=0.4")
    assert done.code == 0, done.err
    assert "conda.yaml names mlflow, which the job takes below 3" in done.err
    run = azure_runs(workspace)[0]
    assert run.info.run_id == last_job(workspace).run
    assert run.data.params["alpha"] == "0.4"
    assert run.data.metrics.keys() == {"rmse", "r2", "mae"}
    assert "model/MLmodel" in workspace.artifacts.paths(run.info.run_id)


@pytest.mark.parametrize(
    ("name", "entry_point", "packages", "last_words"),
    [
        ("sklearn_elasticnet_wine", "main", ["mlflow>=1.0,<3", "pandas"], "name 'data' is not"),
        ("hyperparam", "train", ["mlflow>=1.6,<3", "hyperopt"], "No module named 'tensorflow'"),
    ],
)
def test_examples_up_to_the_line_that_needs_more(
    laptop: Laptop,
    workspace: LoopbackWorkspace,
    name: str,
    entry_point: str,
    packages: list[str],
    last_words: str,
) -> None:
    done = submit(example(laptop, f"mlflow/examples/{name}"), entry_point)
    assert done.code == 1
    job = last_job(workspace)
    assert last_words in job.log.strip().splitlines()[-1]
    *_, pip = yaml.safe_load(job.environment["condaFile"])["dependencies"]
    assert set(packages) <= set(pip["pip"])
    # The proxy refuses it, as it must.
    workspace.refused[:] = [host for host in workspace.refused if "uci.edu" not in host]
