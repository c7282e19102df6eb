"""MLflow's own examples, unchanged, as jobs.

They are not kept here. MLFLOW_EXAMPLES names a folder with checkouts of github.com/mlflow/mlflow
and github.com/mlflow/mlflow-example; without it pytest does not collect this file (conftest.py),
and test_any_project.py runs projects of the same shapes.

Jobs run with MLflow 2, as on Azure: the examples leave its version open. Their table of wines is at
an address outside Azure, which the loopback answers with a small one in the same form. hyperparam
runs in an environment with TensorFlow, which is made if need be (1.5 GB).

multistep_workflow needs files.grouplens.org, Spark and Keras: only its shape is tested.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from loopback.job import Job
from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import Laptop, azure_runs, server
from tests.loopback.other_environments import python_with
from tests.mlflow_aml.toy import last_job, submit

pytestmark = pytest.mark.slow
# The last TensorFlow whose Keras takes SGD(lr=...), as the example gives it.
TENSORFLOW = (
    "tensorflow-cpu==2.15.1",
    "mlflow<3",
    "azureml-mlflow",
    "scikit-learn",
    "pandas",
    "click",
    "setuptools<81",
)


def example(laptop: Laptop, name: str) -> Laptop:
    """Copy an example to the machine, with the workspace's config.json beside its files."""
    folder = laptop.folder.with_name(Path(name).name)
    shutil.copytree(
        Path(os.environ["MLFLOW_EXAMPLES"]) / name, folder, ignore=shutil.ignore_patterns(".git")
    )
    laptop.workspace.write_config(folder)
    return replace(laptop, folder=folder)


def publish_table(workspace: LoopbackWorkspace, named_in: Path) -> None:
    """Answer the address that a file names with 200 wines."""
    found = set(re.findall(r"https://[^\s\"]+\.csv", named_in.read_text()))
    drawn = np.random.default_rng(0)
    wines = pd.DataFrame(
        {"density": drawn.normal(1, 0.01, 200), "alcohol": drawn.normal(10, 1, 200)}
    )
    wines["quality"] = (wines["alcohol"] / 2).round().astype(int)
    for url in found:
        workspace.publish(url, wines.to_csv(sep=";", index=False).encode())


def test_mlflow_example(laptop: Laptop, workspace: LoopbackWorkspace) -> None:
    done = submit(example(laptop, "mlflow-example"), "main", "alpha=0.4")
    assert done.code == 0, done.err
    assert "conda.yaml names mlflow, which the job takes below 3" in done.err
    run = azure_runs(workspace)[0]
    assert run.info.run_id == last_job(workspace).run
    assert run.data.params["alpha"] == "0.4"
    assert run.data.metrics.keys() == {"rmse", "r2", "mae"}
    assert "model/MLmodel" in workspace.artifacts.paths(run.info.run_id)


def test_sklearn_elasticnet_wine(laptop: Laptop, workspace: LoopbackWorkspace) -> None:
    own = example(laptop, "mlflow/examples/sklearn_elasticnet_wine")
    publish_table(workspace, own.folder / "train.py")
    done = submit(own, "main", "alpha=0.25")
    assert done.code == 0, done.out + done.err
    job = last_job(workspace)
    assert {"mlflow>=1.0,<3", "pandas"} <= set(pip_packages(job))
    run = azure_runs(workspace)[0]
    assert run.info.run_id == job.run
    assert run.data.params == {"alpha": "0.25", "l1_ratio": "0.1"}
    assert run.data.metrics.keys() == {"rmse", "r2", "mae"}
    assert "model/MLmodel" in workspace.artifacts.paths(job.run)


def test_hyperparam(laptop: Laptop, workspace: LoopbackWorkspace) -> None:
    workspace.runner.python = python_with(TENSORFLOW)
    own = example(laptop, "mlflow/examples/hyperparam")
    publish_table(workspace, own.folder / "MLproject")
    done = submit(own, "train", "epochs=2")
    assert done.code == 0, done.out + done.err + last_job(workspace).log
    job = last_job(workspace)
    assert {"mlflow>=1.6,<3", "hyperopt"} <= set(pip_packages(job))
    history = server(workspace).get_metric_history(job.run, "val_rmse")
    assert {each.step for each in history} == {0, 1, 2}
    assert "model/MLmodel" in workspace.artifacts.paths(job.run)


def pip_packages(job: Job) -> list[str]:
    """Give what pip installs in the environment that was submitted."""
    *_, pip = yaml.safe_load(job.environment["condaFile"])["dependencies"]
    return list(pip["pip"])
