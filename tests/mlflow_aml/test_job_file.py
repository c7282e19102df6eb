"""`job.yml` runs what `mlflow run -e main` runs, and no value of it is read by a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopback.names import BLOBSTORE
from loopback.workspace import LoopbackWorkspace
from tests.conftest import SMALL, all_runs
from tests.loopback.interpreter import Interpreter
from tests.loopback.laptop import REPOSITORY, Laptop, azure_runs, server
from tests.mlflow_aml.toy import last_job, submit

HOSTILE = [
    "$(touch hacked)",
    "`touch hacked`",
    "; touch hacked",
    "'; touch hacked; '",
    '"; touch hacked; "',
    "a b\n--debug\ntouch hacked",
    "${{inputs.data}}",
    '{"clf__max_depth": [1]} && touch hacked',
]


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
    return content


def run_job(**variables: object) -> subprocess.CompletedProcess[str]:
    """Run the job's command as Azure does: by bash, with the job's variables in its environment.

    `variables` are set as `--set environment_variables.<name>=<value>` sets them.
    """
    job = read("job.yml")
    given = {f"PARAMETER_{name.upper()}": str(value) for name, value in variables.items()}
    assert given.keys() <= job["environment_variables"].keys()
    environment = os.environ | job["environment_variables"] | given
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(REPOSITORY)
    return subprocess.run(
        ["bash", "-c", job["command"]], env=environment, capture_output=True, text=True, check=False
    )


def test_environment_and_code_are_the_project_s() -> None:
    job, project = read("job.yml"), read("MLproject")
    assert job["environment"]["conda_file"] == project["conda_env"]
    assert (job["type"], job["code"]) == ("command", ".")


def test_azure_puts_nothing_into_the_command() -> None:
    assert "${{" not in str(read("job.yml"))


@pytest.mark.slow
def test_hostile_values_are_values(tmp_path: Path) -> None:
    output = "$(touch hacked); touch hacked 'a' \"b\" `touch hacked` &.csv"
    ended = run_job(**SMALL, output=output)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / output).read_text().count("\n") == 193
    assert not (tmp_path / "hacked").exists()
    (run,) = all_runs("main")
    assert run.data.params["n_estimators"] == "2"


@pytest.mark.slow
def test_hostile_values_of_every_parameter_run_nothing(tmp_path: Path) -> None:
    names = [name.removeprefix("PARAMETER_") for name in read("job.yml")["environment_variables"]]
    hostile = dict(zip(names, cycle(HOSTILE), strict=False))
    ended = run_job(**hostile)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: parameter delimiter: expected one ASCII character")
    assert f"found '{hostile['DELIMITER']}'" in ended.stderr
    assert not (tmp_path / "hacked").exists()


@pytest.mark.slow
def test_azure_s_own_client_submits_it_as_it_is(
    v2_client: Interpreter, laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    for name in ("job.yml", "schedule.yml", "score.yml"):
        (laptop.folder / name).write_text((REPOSITORY / name).read_text())
    # A small search in an experiment of its own; nothing else of the file is touched.
    small = {f"PARAMETER_{name.upper()}": value for name, value in SMALL.items()}
    v2_client.run(
        f"job = load_job({str(laptop.folder / 'job.yml')!r})\n"
        "job.experiment_name = 'job file'\n"
        f"job.environment_variables.update({small!r})\n"
        "job = client.jobs.create_or_update(job)\n"
        "client.jobs.stream(job.name)\n"
    )
    job = last_job(loopback_workspace)
    assert job.status == "Completed", job.log
    given = [f"{name}={value}" for name, value in SMALL.items()]
    done = submit(laptop, "main", *given, MLFLOW_EXPERIMENT_NAME="job file")
    assert done.code == 0, done.err
    # The same parameters of the same steps: there is nothing left to do.
    nested = azure_runs(loopback_workspace, **{"mlflow.parentRunId": job.run})
    made = {run.data.tags["step"]: run.info.run_id for run in nested}
    for step in ("preprocess", "train"):
        assert f"{step}: reusing run {made[step]}" in done.out
    own = server(loopback_workspace).get_run(last_job(loopback_workspace).run)
    assert own.data.tags["step"] == "main"


@pytest.mark.slow
def test_the_nightly_scoring_runs(
    v2_client: Interpreter, laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    env: dict[str, Any] = {"MLFLOW_EXPERIMENT_NAME": "Default"}
    trained = laptop.type(
        *("steps.train", "--n_estimators=2", "--max_depth=2", "--report=false", "--jobs=1"),
        *("--registered_model=diabetes",),
        **env,
    )
    assert trained.code == 0, trained.err
    put, session = loopback_workspace.storage.put, loopback_workspace.tracking.session
    table = (REPOSITORY / "data" / "diabetes.csv").read_bytes()
    loopback_workspace.run(put(session, "inbox/new.csv", table, BLOBSTORE))
    for name in ("schedule.yml", "score.yml"):
        (laptop.folder / name).write_text((REPOSITORY / name).read_text())
    v2_client.run(
        "from azure.ai.ml.entities._load_functions import load_schedule\n"
        f"schedule = load_schedule({str(laptop.folder / 'schedule.yml')!r})\n"
        "job = client.jobs.create_or_update(schedule.create_job)\n"
        "client.jobs.stream(job.name)\n"
    )
    job = last_job(loopback_workspace)
    assert job.status == "Completed", job.log
    names = loopback_workspace.run(
        loopback_workspace.storage.list(session, "scored/predictions/", BLOBSTORE)
    )
    assert [name for name in names if name.endswith(".parquet")]
    # The job's own run is that of the scoring; the monitoring is below it.
    (monitored,) = azure_runs(loopback_workspace, step="monitor")
    assert monitored.data.tags["mlflow.parentRunId"] == job.run
    assert monitored.data.tags["monitor"] == "ok"
    assert monitored.data.tags["monitor.newest_run_id"] == job.run
