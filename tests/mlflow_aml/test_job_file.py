"""`job.yml` runs what `mlflow run -e main` runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from loopback.names import BLOBSTORE
from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import Interpreter
from tests.loopback.laptop import REPOSITORY, Laptop, azure_runs, server
from tests.mlflow_aml.toy import last_job, submit


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
    return content


def test_command_and_defaults_are_those_of_mlproject() -> None:
    job, project = read("job.yml"), read("MLproject")
    main = project["entry_points"]["main"]
    assert re.sub(r"\$\{\{inputs\.(\w+)\}\}", r"{\1}", job["command"]) == main["command"]
    assert job["inputs"] == {name: item["default"] for name, item in main["parameters"].items()}


def test_environment_and_code_are_the_project_s() -> None:
    job, project = read("job.yml"), read("MLproject")
    assert job["environment"]["conda_file"] == project["conda_env"]
    assert (job["type"], job["code"]) == ("command", ".")


@pytest.mark.slow
def test_azure_s_own_client_submits_it_as_it_is(
    v2_client: Interpreter, laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    for name in ("job.yml", "schedule.yml", "score.yml"):
        (laptop.folder / name).write_text((REPOSITORY / name).read_text())
    # A search of its own; nothing else of the file is touched.
    v2_client.run(
        f"job = load_job({str(laptop.folder / 'job.yml')!r})\n"
        "job.experiment_name = 'job file'\n"
        "job = client.jobs.create_or_update(job)\n"
        "client.jobs.stream(job.name)\n"
    )
    job = last_job(loopback_workspace)
    assert job.status == "Completed", job.log
    done = submit(laptop, "main", config={}, MLFLOW_EXPERIMENT_NAME="job file")
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
    trained = laptop.run(
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
