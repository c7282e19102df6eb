"""Jobs on several nodes: the launcher starts Dask, the command finds it, all ends together."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from loopback.workspace import LoopbackWorkspace
from tests.loopback.datastore import ROOT, get, names, put
from tests.loopback.laptop import REPOSITORY, SMALL, Laptop, azure_runs, finish, timeless
from tests.mlflow_aml.toy import last_job, new_project, start_and_wait_for, submit

pytestmark = pytest.mark.slow
PROJECT = """
name: spread
conda_env: conda.yaml
entry_points:
  main:
    parameters:
      code: {type: int, default: 0}
    command: python spread.py {code}
"""
# Each task waits a while: one worker alone could not end them so soon, nor be the only one.
SPREAD = """
import os, sys, time
from distributed import Client
def where(number):
    time.sleep(0.2)
    return os.environ["NODE_RANK"]
if __name__ == "__main__":
    with Client() as client:
        print("ran on nodes", sorted(set(client.gather(client.map(where, range(20))))), flush=True)
    sys.exit(int(sys.argv[1]))
"""
CONDA = "dependencies: [python=3.11, pip, {pip: [azureml-mlflow, distributed]}]\n"


@pytest.fixture(autouse=True)
def one_core_each(loopback_workspace: LoopbackWorkspace) -> Iterator[None]:
    """Give each node one core, and so one worker: starting many would take most of the time."""
    loopback_workspace.runner.cores_per_node = 1
    yield
    loopback_workspace.runner.cores_per_node = None


@pytest.fixture
def spread(laptop: Laptop) -> Laptop:
    files = {"MLproject": PROJECT, "conda.yaml": CONDA, "spread.py": SPREAD}
    return new_project(laptop, "spread", files)


def test_the_command_finds_dask_on_all_nodes(
    spread: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    done = submit(spread, "main", "code=3", config={"nodes": 3})
    assert "nodes: all 3 are here" in done.out
    assert "ran on nodes ['0', '1', '2']" in done.out
    job = last_job(loopback_workspace)
    assert job.properties["resources"]["instanceCount"] == 3
    # A command that fails ends all nodes.
    assert done.code == 1
    assert "exited with status code 3" in done.err
    assert job.ended
    assert all(process.returncode is not None for process in job.processes)


def test_a_node_that_fails_ends_the_job(
    spread: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    (spread.folder / ".mlflow_aml_nodes.py").unlink(missing_ok=True)
    (spread.folder / "spread.py").write_text(
        "import time; print('hello', flush=True); time.sleep(120)"
    )
    process, job = start_and_wait_for(spread, "hello", step="main", config={"nodes": 2})
    started = time.monotonic()
    job.processes[1].kill()
    done = finish(process)
    assert done.code == 1
    assert time.monotonic() - started < 30
    assert job.status == "Failed"


def test_a_search_and_a_scoring_on_two_nodes_are_those_of_this_machine(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    experiment: dict[str, Any] = {"MLFLOW_EXPERIMENT_NAME": "nodes"}
    search = ("--n_estimators=1,2", *SMALL[1:], "--scheduler=auto")
    records = []
    for nodes in (1, 2):
        done = (
            laptop.run("steps.train", *search, **experiment)
            if nodes == 1
            else submit(laptop, "train", *search, config={"nodes": nodes}, **experiment)
        )
        assert done.code == 0, done.err
        run = azure_runs(loopback_workspace, step="train")[0]
        children = azure_runs(loopback_workspace, **{"mlflow.parentRunId": run.info.run_id})
        children.sort(key=lambda each: sorted(each.data.params.items()))
        records.append([timeless(each) for each in (run, *children)])
    job = last_job(loopback_workspace)
    assert run.info.run_id == job.run
    assert [process.returncode for process in job.processes] == [0, 0]
    assert len(records[0]) == 1 + 2 + 1  # itself, two candidates, and preprocess once
    assert records[1] == records[0][: len(records[1])]

    header, *rows = (REPOSITORY / "data" / "diabetes.csv").read_bytes().splitlines(keepends=True)
    for number in range(4):
        content = header + b"".join(rows[number * 192 : (number + 1) * 192])
        put(loopback_workspace, f"quarters/part-{number}.csv", content)
    scored = []
    what = (f"--model={run.info.run_id}", f"--input={ROOT}quarters/", "--probabilities=all")
    for nodes in (1, 2):
        given = (*what, "--scheduler=auto", f"--output={ROOT}scored/on-{nodes}")
        done = (
            laptop.type("steps.batch_score", *given, **experiment)
            if nodes == 1
            else submit(laptop, "batch_score", *given, config={"nodes": nodes}, **experiment)
        )
        assert done.code == 0, done.err
        parts = [
            get(loopback_workspace, name)
            for name in sorted(names(loopback_workspace, f"scored/on-{nodes}/"))
        ]
        tables = [pd.read_parquet(io.BytesIO(part)) for part in parts]
        scored.append(pd.concat(tables, ignore_index=True))
    # Each node writes parts of its own: one for each part of the input.
    assert len(parts) == 4
    assert len(scored[0]) == 768
    pd.testing.assert_frame_equal(scored[0], scored[1], check_exact=True)


def test_without_the_launcher_the_command_runs_on_each_node(
    toy: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    (toy.folder / "greet.py").write_text(
        "import os; print('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])"
    )
    done = submit(toy, "greet", config={"nodes": 2, "launcher": "none"})
    assert done.code == 0, done.err
    assert "rank 0 of 2" in done.out
    assert "rank 1 of 2" in done.out


def test_more_nodes_than_there_are(toy: Laptop) -> None:
    done = submit(toy, "greet", config={"nodes": 5})
    assert "expected at most 4 nodes, which is what compute 'cpu-cluster' has, found 5" in done.err
