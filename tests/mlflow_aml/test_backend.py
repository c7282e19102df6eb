"""The backend `aml` against the loopback workspace, which really runs what is submitted."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from loopback.workspace import LoopbackWorkspace
from tests.excerpts import loopback_excerpts, normal_on_azure
from tests.loopback.laptop import SMALL, Laptop, azure_runs, finish, server
from tests.mlflow_aml.toy import GREET, last_job, sent, start_and_wait_for, submit, uploaded

pytestmark = pytest.mark.slow


def described(run: Run) -> dict[str, str]:
    """Pick the tags that say what a run is, not where it ran."""
    words = ("mlflow.source", "mlflow.project.entryPoint", "mlflow.user", "step", "mlflow.gitRepo")
    own = ("step.upstream_run_id", "mlflow.source.git.repoURL")
    return {
        name: value
        for name, value in run.data.tags.items()
        if name.startswith(words) and name not in own
    }


@pytest.mark.chain
def test_remote_and_local_steps_build_on_each_other(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    make_repository(laptop.folder)
    # Code that nobody has uploaded yet, whichever tests ran before.
    (laptop.folder / "steps" / "__init__.py").write_text('"""New."""\n')
    env: dict[str, Any] = {"MLFLOW_EXPERIMENT_NAME": "remote"}
    remote = submit(laptop, "preprocess", **env)
    assert remote.code == 0, remote.err
    job = last_job(loopback_workspace)
    assert f"job {job.run} completed: https://ml.azure.com/runs/{job.run}?" in remote.out
    documented = loopback_excerpts()
    assert normal_on_azure(remote.out) == documented.pop("preprocess as a job")
    remote_run = server(loopback_workspace).get_run(job.run)

    # The same step here: the same parameters and tags, and so the same key.
    local = laptop.mlflow_run("preprocess", **env)
    assert local.code == 0, local.err
    assert normal_on_azure(local.out) == documented.pop("preprocess")
    assert not documented, "excerpts that nothing compares"
    local_run = azure_runs(loopback_workspace, step="preprocess")[0]
    assert local_run.info.run_id != remote_run.info.run_id
    assert local_run.data.params == remote_run.data.params
    assert described(local_run) == described(remote_run)
    assert "mlflow.source.git.commit" in described(remote_run)
    assert remote_run.data.tags["mlflow.project.backend"] == "aml"

    # main there: its steps are nested runs, and preprocess is the one that was made here.
    chained = submit(laptop, "main", *SMALL, **env)
    assert chained.code == 0, chained.err
    assert f"preprocess: reusing run {local_run.info.run_id}" in chained.out
    job = last_job(loopback_workspace)
    nested = azure_runs(loopback_workspace, **{"mlflow.parentRunId": job.run})
    assert {run.data.tags["step"] for run in nested} == {"train", "batch_score"}
    assert {run.info.status for run in nested} == {"FINISHED"}

    # A model trained there is scored here.
    scored = laptop.run("steps.batch_score", "--model=latest", **env)
    assert scored.code == 0, scored.err
    trained = next(run for run in nested if run.data.tags["step"] == "train")
    assert f"train: reusing run {trained.info.run_id}" in scored.out
    assert (laptop.folder / "predictions.csv").exists()


def make_repository(folder: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "MLproject"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)


def test_what_is_uploaded(toy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    before = toy_environments(loopback_workspace)
    # Code that nobody has uploaded yet, whichever tests ran before.
    (toy.folder / "greet.py").write_text(f"{GREET}# as nowhere else\n")
    for name in (".env", "mlflow.db", "mlruns/0/meta.yaml", ".venv/bin/python", ".git/HEAD"):
        path = toy.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a secret")
    (toy.folder / "patients.csv").symlink_to("/etc/hostname")
    assert submit(toy, "greet").code == 0
    assert uploaded(loopback_workspace) == {"MLproject", "conda.yaml", "greet.py"}
    (toy.folder / "new.csv").write_text("new")
    changed = submit(toy, "greet")
    assert changed.code == 0
    assert (
        "not uploaded: .env, config.json, patients.csv (a link out of the project)" in changed.out
    )
    assert uploaded(loopback_workspace) == {"MLproject", "conda.yaml", "greet.py", "new.csv"}
    assert "uploaded too, though no code of the project: new.csv (0.0 MB); name" in changed.err
    assert len(sent(loopback_workspace)) == 3 + 4
    again = submit(toy, "greet", config={"tags": {"team": "x"}})
    assert sent(loopback_workspace) == []
    assert "code: already in the workspace" in again.out
    assert again.out.count("already in the workspace") == 2
    assert (
        server(loopback_workspace).get_run(last_job(loopback_workspace).run).data.tags["team"]
        == "x"
    )
    assert len(toy_environments(loopback_workspace) - before) <= 1


def toy_environments(workspace: LoopbackWorkspace) -> set[str]:
    return {name for name in workspace.resources.environments if name.startswith("toy-")}


def test_parameters_reach_the_command_as_they_are(
    toy: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    table = toy.folder / "data" / "t.csv"
    table.parent.mkdir()
    table.write_text("a")
    config = {
        "environment_variables": {"PLACE": "Azure"},
        "tags": {"team": "x"},
        "max_run_minutes": 2,
    }
    done = submit(toy, "greet", "name=it's; exit 7 $(id)", f"table={table}", config=config)
    assert done.code == 0, done.err
    assert "hello it's; exit 7 $(id) of Azure with data/t.csv" in done.out
    job = last_job(loopback_workspace)
    assert job.properties["limits"] == {"jobLimitsType": "Command", "timeout": "PT120S"}
    run = server(loopback_workspace).get_run(job.run)
    assert run.data.tags["mlflow.project.entryPoint"] == "greet"
    assert run.data.params["name"] == "'it'\"'\"'s; exit 7 $(id)'"


def test_a_job_that_fails(toy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    done = submit(toy, "greet", "code=3")
    assert done.code == 1
    # The step's own error is in the log, which is printed as it grows, and nowhere else.
    assert done.out.count("ends with 3") == 1
    assert "ends with 3" not in done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert "failed: Execution failed" in done.err
    assert f"https://ml.azure.com/runs/{last_job(loopback_workspace).run}?" in done.err
    assert "Traceback" not in done.err


def test_ctrl_c_cancels_the_job(toy: Laptop) -> None:
    # A shell's background jobs ignore Ctrl-C, and so would what this suite starts if it is one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process, job = start_and_wait_for(toy, "hello", "seconds=120")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    done = finish(process, 60)
    assert done.code != 0
    assert f"job {job.run}: asked Azure to cancel it" in done.out
    deadline = time.monotonic() + 30
    while job.ended is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert job.canceled


def test_without_waiting(toy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    done = submit(toy, "greet", "seconds=60", config={"wait": False})
    assert done.code == 0, done.err
    job = last_job(loopback_workspace)
    assert f"job {job.run} submitted: https://ml.azure.com/runs/{job.run}?" in done.out
    assert job.ended is None
    loopback_workspace.runner.cancel(job.run)


@pytest.mark.parametrize(
    ("config", "parameters", "words"),
    [
        ({"compute": "nope"}, (), "no compute 'nope'; it has cpu-cluster, gpu-cluster"),
        ({"COMPUTE": "x"}, (), "unknown key COMPUTE; the keys are compute, nodes,"),
        ({"environment": "nope"}, (), "the workspace has no environment 'nope'"),
        ({}, ("name=/etc/hostname",), "parameter name: '/etc/hostname' is not on the cluster"),
        ({}, ("name=https://a:b@host/",), "parameter name: expected an address without a login"),
        (
            {"environment_variables": {"PARAMETER_DATA": "https://host/?sig=b"}},
            (),
            "environment_variables.PARAMETER_DATA: expected an address without a login",
        ),
    ],
)
def test_what_is_refused_before_submission(
    toy: Laptop,
    loopback_workspace: LoopbackWorkspace,
    config: dict[str, Any],
    parameters: tuple[str, ...],
    words: str,
) -> None:
    before = len(loopback_workspace.jobs)
    done = submit(toy, "greet", *parameters, config=config)
    assert done.code == 1
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert len(loopback_workspace.jobs) == before


def test_a_project_without_workspace(toy: Laptop) -> None:
    (toy.folder / "config.json").unlink()
    assert "expected config.json of an Azure ML workspace" in submit(toy, "greet").err
