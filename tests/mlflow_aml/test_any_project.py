"""Projects in the shapes of MLflow's own examples, run as jobs without a change.

The projects are in the folder beside this file, in our own words. test_mlflow_examples.py runs
the examples themselves.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import REPOSITORY, Laptop, azure_runs, finish, server
from tests.mlflow_aml.toy import COMPUTE, TOY, last_job, new_project, submit

pytestmark = pytest.mark.slow
PROJECTS = Path(__file__).with_name("projects")
TABLE = "table.csv"
SCRIPT = """
import mlflow
with mlflow.start_run():
    mlflow.log_param("said", "bare")
"""
SUBMIT = f"""
import mlflow
with mlflow.start_run():
    for name in ("one", "two"):
        given = dict(parameters=dict(name=name), backend="aml", backend_config={COMPUTE!r})
        run = mlflow.run(".", "greet", **given)
        print(name, "ended", mlflow.MlflowClient().get_run(run.run_id).info.status)
"""


def project(laptop: Laptop, name: str) -> Laptop:
    """Copy one of the projects to the machine, with a table and the workspace's config.json."""
    folder = laptop.folder.with_name(name)
    shutil.copytree(PROJECTS / name, folder)
    shutil.copy(REPOSITORY / "data" / "diabetes.csv", folder / TABLE)
    laptop.workspace.write_config(folder)
    return replace(laptop, folder=folder)


def test_a_model_of_positional_arguments(laptop: Laptop, workspace: LoopbackWorkspace) -> None:
    """As sklearn_elasticnet_wine."""
    done = submit(project(laptop, "elastic_net"), "main", "alpha=0.25")
    assert done.code == 0, done.out + done.err
    job = last_job(workspace)
    assert job.run.startswith("elastic-net-main-")
    python, *_, last = yaml.safe_load(job.environment["condaFile"])["dependencies"]
    assert python == "python=3.11"
    assert {"setuptools", "pandas", "scikit-learn>=1.2", "mlflow>=1.0,<3"} < set(last["pip"])
    run = azure_runs(workspace)[0]
    assert run.info.run_id == job.run
    assert run.data.params == {"alpha": "0.25", "l1_ratio": "0.1"}
    assert 0 < run.data.metrics["r2"] < 1
    assert "model/MLmodel" in workspace.artifacts.paths(job.run)
    (version,) = server(workspace).search_model_versions(f"run_id = '{job.run}'")
    assert version.name == "elastic-net"


def test_training_with_named_arguments(laptop: Laptop, workspace: LoopbackWorkspace) -> None:
    """As hyperparam's train: a default that is a file, and numbers in several spellings."""
    own = project(laptop, "hyperparam")
    done = submit(own, "train", "epochs=2", "momentum=.5")
    assert done.code == 0, done.out + done.err
    job = last_job(workspace)
    assert " ".join(job.properties["command"].split()) == (
        "python train.py table.csv --epochs 2 --batch-size 16 --learning-rate 1e-2 --momentum .5 "
        "--seed 97531"
    )
    history = server(workspace).get_metric_history(job.run, "val_rmse")
    assert [each.step for each in history] == [0, 1]
    # A default is checked as a given value is.
    (own.folder / ".amlignore").write_text("*.csv\n")
    done = submit(own, "train")
    assert f"parameter training_data: '{TABLE}' is not on the cluster" in done.err


def test_a_search_starts_training_runs_side_by_side(
    laptop: Laptop, workspace: LoopbackWorkspace
) -> None:
    """As hyperparam's random: an empty default, and runs that nobody waits for at first."""
    done = submit(project(laptop, "hyperparam"), "random", "max_runs=2", "epochs=1")
    assert done.code == 0, done.out + done.err
    job = last_job(workspace)
    trials = azure_runs(workspace, **{"mlflow.parentRunId": job.run})
    assert [run.info.status for run in trials] == ["FINISHED"] * 2
    assert {run.data.params["seed"] for run in trials} == {"97531"}
    best = min(trials, key=lambda run: run.data.metrics["val_rmse"])
    chosen = server(workspace).get_run(job.run)
    assert chosen.data.metrics == {"val_rmse": best.data.metrics["val_rmse"]}
    (path,) = [path for path in workspace.artifacts.paths(job.run) if "best" in path]
    assert path == "best-run/best_run.txt"


def test_steps_hand_artifacts_on(laptop: Laptop, workspace: LoopbackWorkspace) -> None:
    """As multistep_workflow without Spark: main runs the other entry points as nested runs."""
    own = project(laptop, "multistep")
    done = submit(own, "main", "max_row_limit=20", MLFLOW_EXPERIMENT_NAME="multistep")
    assert done.code == 0, done.out + done.err
    job = last_job(workspace)
    nested = azure_runs(workspace, **{"mlflow.parentRunId": job.run})
    runs = {run.data.tags["mlflow.project.entryPoint"]: run for run in nested}
    assert len(nested) == len(runs) == 3
    assert {run.info.status for run in nested} == {"FINISHED"}
    # Of 50 rows, through a parameter that MLflow fetches and one that the step fetches.
    assert runs["clean_rows"].data.metrics == {"rows": 20.0}
    assert runs["train"].data.metrics["rmse"] == pytest.approx(0, abs=1e-6)
    assert runs["train"].data.params["degree"] == "1"
    assert server(workspace).get_run(job.run).data.tags["found_again"] == "True"


def test_a_local_program_submits_steps(toy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    """`mlflow.run(…, backend="aml")` from Python, as MLflow documents it for any backend."""
    (toy.folder / "submit.py").write_text(SUBMIT)
    uri = loopback_workspace.names.tracking_uri
    path = f"{toy.folder}:{toy.env['PYTHONPATH']}"
    done = finish(toy.start("submit", MLFLOW_TRACKING_URI=uri, PYTHONPATH=path))
    assert done.code == 0, done.out + done.err
    for name in ("one", "two"):
        assert f"hello {name} of" in done.out
        assert f"{name} ended FINISHED" in done.out
    newest = azure_runs(loopback_workspace)[:2]
    assert {run.info.run_id.rpartition("-")[0] for run in newest} == {"toy-greet"}


def test_docker_env(toy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    declared = TOY.replace("conda_env: conda.yaml", "docker_env: {image: an-image}")
    (toy.folder / "MLproject").write_text(declared)
    done = submit(toy, "greet", config={"wait": False})
    assert done.code == 0, done.out + done.err
    assert last_job(loopback_workspace).environment == {"image": "an-image"}


def test_a_script_of_a_project_that_declares_nothing(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    files = {"step.py": SCRIPT}
    done = submit(new_project(laptop, "bare", files), "step.py")
    assert done.code == 0, done.out + done.err
    job = last_job(loopback_workspace)
    assert job.run.startswith("bare-step-py-")
    assert job.environment["image"].endswith("openmpi4.1.0-ubuntu22.04")
    assert azure_runs(loopback_workspace)[0].data.params == {"said": "bare"}
