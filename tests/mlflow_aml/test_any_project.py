"""Projects in the shapes of MLflow's own examples, run as jobs without a change.

The examples themselves log models with MLflow 3's API, which Azure ML answers with 404, and two
read a table from the internet: these have the MLproject and the environment files, and less code.
"""

from __future__ import annotations

import pytest

from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import Laptop, azure_runs, finish
from tests.mlflow_aml.toy import COMPUTE, last_job, new_project, submit

pytestmark = pytest.mark.slow
PYTHON_ENV = """
python: "3.11"
build_dependencies: [pip]
dependencies: [mlflow>=2.4.1, scikit-learn]
"""
TRAIN = """
import sys
import mlflow
import numpy as np
alpha, l1_ratio = (float(text) for text in sys.argv[1:3])
with mlflow.start_run():
    mlflow.log_param("alpha", alpha)
    mlflow.log_metric("rmse", alpha + l1_ratio)
"""
# sklearn_elasticnet_wine, and with another file of the environment mlflow-example.
WINE = """
name: tutorial
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      l1_ratio: {type: float, default: 0.1}
    command: "python train.py {alpha} {l1_ratio}"
"""
EXAMPLE = WINE.replace("python_env: python_env.yaml", "conda_env: conda.yaml")
CONDA = (
    "name: tutorial\nchannels: [conda-forge]\ndependencies: [python=3.11, pip, {pip: [mlflow]}]\n"
)
# hyperparam: the search is one entry point, and starts others.
HYPERPARAM = """
name: HyperparameterSearch
python_env: python_env.yaml
entry_points:
  train:
    parameters:
      training_data: {type: string, default: "winequality.csv"}
      epochs: {type: int, default: 32}
      learning_rate: {type: float, default: 1e-2}
      seed: {type: int, default: 97531}
    command: "python hyper.py {training_data}
                              --epochs {epochs}
                              --learning-rate {learning_rate}
                              --seed {seed}"
"""
HYPER = """
import sys
import mlflow
with mlflow.start_run(nested=True):
    mlflow.log_param("epochs", sys.argv[sys.argv.index("--epochs") + 1])
    mlflow.log_metric("rows", len(open(sys.argv[1]).readlines()))
"""
# multistep_workflow, without Spark: main runs the other entry points as nested runs.
MULTISTEP = """
name: multistep_example
python_env: python_env.yaml
entry_points:
  load_raw_data:
    command: "python step.py load"
  etl_data:
    parameters:
      max_row_limit: {type: int, default: 100000}
    command: "python step.py {max_row_limit}"
  main:
    parameters:
      max_row_limit: {type: int, default: 100000}
    command: "python main.py {max_row_limit}"
"""
MAIN = """
import sys
import mlflow
with mlflow.start_run() as active:
    for step, parameters in (("load_raw_data", {}), ("etl_data", {"max_row_limit": sys.argv[1]})):
        run = mlflow.run(".", step, parameters=parameters, env_manager="local")
        print(step, "ended", mlflow.MlflowClient().get_run(run.run_id).info.status)
"""
STEP = """
import sys
import mlflow
with mlflow.start_run():
    mlflow.log_param("said", sys.argv[1])
"""


def test_python_env_and_conda_env(laptop: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    shared = {"train.py": TRAIN}
    for name, files in {
        "wine": {"MLproject": WINE, "python_env.yaml": PYTHON_ENV},
        "example": {"MLproject": EXAMPLE, "conda.yaml": CONDA},
    }.items():
        project = new_project(laptop, name, {**shared, **files})
        done = submit(project, "main", "alpha=0.4")
        assert done.code == 0, done.err
        job = last_job(loopback_workspace)
        assert job.run.startswith("tutorial-main-")
        assert "mlflow" in job.environment["condaFile"]
        run = azure_runs(loopback_workspace)[0]
        assert run.info.run_id == job.run
        assert run.data.metrics == {"rmse": 0.5}
        assert run.data.params == {"alpha": "0.4", "l1_ratio": "0.1"}


def test_hyperparam_with_a_default_that_is_a_file(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    files = {"MLproject": HYPERPARAM, "python_env.yaml": PYTHON_ENV, "hyper.py": HYPER}
    project = new_project(laptop, "hyperparam", {**files, "winequality.csv": "a\n1\n"})
    done = submit(project, "train", "epochs=2")
    assert done.code == 0, done.err
    assert azure_runs(loopback_workspace)[0].data.metrics == {"rows": 2.0}
    # A default is checked as a given value is.
    (project.folder / ".amlignore").write_text("*.csv\n")
    done = submit(project, "train")
    assert "parameter training_data: 'winequality.csv' is not on the cluster" in done.err


def test_multistep_runs_its_steps_nested(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    files = {"MLproject": MULTISTEP, "python_env.yaml": PYTHON_ENV, "main.py": MAIN}
    project = new_project(laptop, "multistep", {**files, "step.py": STEP})
    done = submit(project, "main", "max_row_limit=7")
    assert done.code == 0, done.err
    assert "etl_data ended FINISHED" in done.out
    nested = azure_runs(
        loopback_workspace, **{"mlflow.parentRunId": last_job(loopback_workspace).run}
    )
    assert {run.data.params["said"] for run in nested} == {"load", "7"}


def test_a_local_main_submits_its_steps(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    """`mlflow.run(…, backend="aml")` from Python, as MLflow documents it for any backend."""
    main = MAIN.replace('env_manager="local"', f'backend="aml", backend_config={COMPUTE!r}')
    files = {"MLproject": MULTISTEP, "python_env.yaml": PYTHON_ENV, "step.py": STEP}
    project = new_project(laptop, "from-python", {**files, "submit.py": main})
    uri = loopback_workspace.names.tracking_uri
    done = finish(project.start("submit", "5", MLFLOW_TRACKING_URI=uri, PYTHONPATH=path(project)))
    assert done.code == 0, done.err
    assert "etl_data ended FINISHED" in done.out
    names = [run.info.run_id.rpartition("-")[0] for run in azure_runs(loopback_workspace)]
    assert {"multistep_example-load_raw_data", "multistep_example-etl_data"} <= set(names)


def path(project: Laptop) -> str:
    return f"{project.folder}:{project.env['PYTHONPATH']}"


def test_docker_env(laptop: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    docker = WINE.replace("python_env: python_env.yaml", "docker_env: {image: an-image}")
    project = new_project(laptop, "docker", {"MLproject": docker, "train.py": TRAIN})
    done = submit(project, "main")
    assert done.code == 0, done.err
    assert last_job(loopback_workspace).environment == {"image": "an-image"}


def test_a_script_of_a_project_that_declares_nothing(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    files = {"step.py": STEP.replace("sys.argv[1]", "'bare'")}
    done = submit(new_project(laptop, "bare", files), "step.py")
    assert done.code == 0, done.err
    job = last_job(loopback_workspace)
    assert job.run.startswith("bare-step-py-")
    assert job.environment["image"].endswith("openmpi4.1.0-ubuntu22.04")
    assert azure_runs(loopback_workspace)[0].data.params == {"said": "bare"}
