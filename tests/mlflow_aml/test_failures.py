"""What goes wrong around a job: each is a line that says what to do, or does not matter at all."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest
from mlflow.entities import Run

from loopback.faults import ARM, BLOB_UPLOAD, TRACKING
from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import Interpreter
from tests.loopback.laptop import Done, Laptop, azure_runs, finish
from tests.mlflow_aml.toy import COMPUTE, last_job, start, start_and_wait_for, submit, wait_for

pytestmark = pytest.mark.slow
PRIVATE = "The workspace is behind a private endpoint: use its network."
DETAILS = r"GET \S+/runs/[\w-]+/details"
JOB = r"PUT management\S+/jobs/"

FOLLOW = """
from mlflow_aml.config import config_from_uri
from mlflow_aml.errors import AzureMLError
from mlflow_aml.follow import follow
from mlflow_aml.resource_manager import find_workspace
own = find_workspace(config_from_uri({uri!r}), {uri!r})
try:
    said = follow(own, {job!r}, patience=0).state
except AzureMLError as error:
    said = str(error)
said
"""


@pytest.fixture
def build(loopback_workspace: LoopbackWorkspace) -> Iterator[LoopbackWorkspace]:
    yield loopback_workspace
    loopback_workspace.runner.failing_build = None


def test_a_busy_service_is_asked_again_and_a_lost_answer_makes_no_second_job(
    toy: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    # Code that nobody has uploaded yet, whichever tests ran before.
    (toy.folder / "busy.txt").write_text("busy")
    before = len(loopback_workspace.jobs)
    for where in (ARM, JOB, DETAILS):
        for status in (429, 503):
            loopback_workspace.faults.answer(status, where, times=1, retry_after=0.1)
    loopback_workspace.faults.answer(503, BLOB_UPLOAD, times=2, retry_after=0.1)
    loopback_workspace.faults.lose_answer(JOB)
    done = submit(toy, "greet")
    assert done.code == 0, done.err
    assert loopback_workspace.faults.answered == 9
    assert done.out.count("hello world") == 1
    assert len(loopback_workspace.jobs) == before + 1


def test_a_machine_that_was_asleep_goes_on_with_a_new_token(
    toy: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.faults.token_lifetime = 3
    process, _ = start_and_wait_for(toy, "hello", "seconds=9")
    loopback_workspace.faults.revoke_tokens()
    time.sleep(1)
    loopback_workspace.faults.die()
    # azure-core asks four times, within six seconds, before it gives up.
    said = ""
    while "could not reach Azure" not in said:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line, said
        said += line
    assert "goes on; asking again" in said
    loopback_workspace.faults.revive()
    done = finish(process)
    assert done.code == 0, done.err
    assert done.out.count("hello world") == done.out.count("ends with 0") == 1


def test_a_job_that_is_out_of_touch_can_be_followed_again(
    toy: Laptop, loopback_workspace: LoopbackWorkspace, interpreter: Interpreter
) -> None:
    done = submit(toy, "greet", "seconds=8", config={"wait": False})
    assert done.code == 0, done.err
    job = last_job(loopback_workspace)
    loopback_workspace.faults.die(DETAILS, after=1)
    follow = FOLLOW.format(uri=loopback_workspace.names.tracking_uri, job=job.run)
    said = interpreter.run(follow)
    loopback_workspace.faults.clear()
    loopback_workspace.faults.answer(401, DETAILS, times=2, retry_after=None)
    refused = interpreter.run(follow)
    loopback_workspace.faults.clear()
    command = f"python -m mlflow_aml follow {job.run}"
    assert said.endswith(f"which goes on; follow it again with: {command}")
    assert "did not accept this login's token" in refused
    assert refused.endswith(f"the job {job.run} goes on; follow it again with: {command}")
    done = toy.type(*command.split()[2:])
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].startswith(f"job {job.run} completed: https://ml.azure.com/")
    assert done.out.count("hello world") == 1


def test_follow_and_cancel_by_hand(toy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    assert submit(toy, "greet", "seconds=120", config={"wait": False}).code == 0
    job = last_job(loopback_workspace)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    loopback_workspace.requests.clear()
    following = toy.start("mlflow_aml", "follow", job.run)
    wait_for(lambda: "/details 200" in str(loopback_workspace.requests), following)
    following.send_signal(signal.SIGINT)
    left = finish(following)
    assert (left.code, left.err) == (130, "interrupted; the job goes on\n")
    assert job.ended is None
    done = toy.type("mlflow_aml", "cancel", job.run)
    assert (done.code, done.err) == (0, "")
    done = toy.type("mlflow_aml", "follow", job.run)
    assert done.code == 2
    assert f"job {job.run} canceled; its log is above; its page: https://" in done.err
    done = toy.type("mlflow_aml", "follow", "no-such-job")
    assert done.err == (
        "error: the workspace has no job no-such-job: it was deleted, or has another name\n"
    )


def test_a_log_that_is_begun_anew(toy: Laptop) -> None:
    (toy.folder / "greet.py").write_text(
        "import os, time\n"
        "print('old ' * 20, flush=True); time.sleep(3)\n"
        "os.ftruncate(1, 0); os.lseek(1, 0, 0)\n"
        "print('new\\nnewer', flush=True)\n"
    )
    done = submit(toy, "greet")
    assert done.code == 0, done.err
    printed = [line.strip() for line in done.out.splitlines() if line.startswith(("old", "new"))]
    assert printed == [("old " * 20).strip(), "new", "newer"]


def test_a_job_that_is_deleted_meanwhile(
    toy: Laptop, loopback_workspace: LoopbackWorkspace, interpreter: Interpreter
) -> None:
    process, job = start_and_wait_for(toy, "hello", "seconds=60")
    # Its parameters are recorded first: a job that is followed.
    wait_for(lambda: "/details 200" in str(loopback_workspace.requests), process)
    scope = loopback_workspace.names.scope
    url = f"https://management.azure.com{scope}/jobs/{job.run}?api-version=2024-10-01"
    status = interpreter.run(
        "import requests\n"
        "from azure.identity import DefaultAzureCredential\n"
        "token = DefaultAzureCredential().get_token('https://management.azure.com/.default')\n"
        "login = {'Authorization': 'Bearer ' + token.token}\n"
        f"requests.delete({url!r}, headers=login).status_code"
    )
    assert status == 200
    done = finish(process)
    assert done.code == 1
    assert f"the workspace has no job {job.run}: it was deleted" in done.err
    assert len(done.err.strip().splitlines()) == 1, done.err


def test_an_image_that_cannot_be_built(toy: Laptop, build: LoopbackWorkspace) -> None:
    lines = [f"step {number}" for number in range(50)]
    build.runner.failing_build = "\n".join([*lines, "ERROR: no matching distribution for nope"])
    done = submit(toy, "greet")
    assert done.code == 1
    assert "Image build failed." in done.err
    # Its log is printed as it grows, and is not repeated in the error.
    assert done.out.count("ERROR: no matching distribution for nope\n") == 1
    assert len(done.err.strip().splitlines()) == 1, done.err


def test_a_node_that_is_taken_away(toy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    (toy.folder / "greet.py").write_text(
        "import os, time\n"
        "again = os.path.exists('begun'); open('begun', 'w').close()\n"
        "print('again' if again else 'first', flush=True)\n"
        "time.sleep(0 if again else 120)\n"
    )
    process, job = start_and_wait_for(toy, "first")
    loopback_workspace.runner.preempt(job.run)
    done = finish(process)
    assert done.code == 0, done.err
    assert "a node was taken away, Azure has started the job again" in done.err
    assert [line for line in done.out.splitlines() if line in ("first", "again")] == [
        "first",
        "again",
    ]


@pytest.mark.parametrize(
    ("where", "code", "message"),
    [
        (ARM, "Forbidden", PRIVATE),
        (BLOB_UPLOAD, "AuthorizationFailure", "This request is not authorized."),
        (JOB, "QuotaExceeded", "The cores of this family are used up: 12 of 12."),
        (DETAILS, "Forbidden", PRIVATE),
    ],
)
def test_azure_s_own_words_are_passed_on(
    toy: Laptop, loopback_workspace: LoopbackWorkspace, where: str, code: str, message: str
) -> None:
    # Code that nobody has uploaded yet.
    (toy.folder / "refused.txt").write_text(where)
    loopback_workspace.faults.answer(
        403, where, times=20, code=code, message=message, retry_after=None
    )
    done = submit(toy, "greet")
    assert done.code == 1
    if where == BLOB_UPLOAD:
        assert f"the workspace's storage ({code}: {message}); check the network" in done.err
    else:
        assert f"Azure refused (403 {code}): {message}" in done.err
    if where == DETAILS:
        follow = f"python -m mlflow_aml follow {last_job(loopback_workspace).run}"
        assert f"goes on; follow it again with: {follow}" in done.err
    assert len(errors(done)) == 1, done.err


def test_a_tracking_server_that_is_closed_to_this_machine(
    toy: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.faults.answer(403, TRACKING, times=20, code="Forbidden", message=PRIVATE)
    done = submit(toy, "greet", config={"wait": False})
    assert done.code == 1
    follow = f"python -m mlflow_aml follow {last_job(loopback_workspace).run}"
    assert PRIVATE in done.err
    assert f"; the job goes on; follow it with: {follow}" in done.err
    assert len(errors(done)) == 1, done.err
    loopback_workspace.faults.clear()
    uri = loopback_workspace.names.tracking_uri
    command = ("mlflow", "run", ".", "-e", "greet", "-b", "aml", "-c", json.dumps(COMPUTE))
    done = toy.type(*command, "--experiment-id", "no-such-id", MLFLOW_TRACKING_URI=uri)
    assert done.code == 1
    assert "expected the id of an experiment of the tracking server, found no-such-id" in done.err
    assert len(errors(done)) == 1, done.err


def errors(done: Done) -> list[str]:
    """Return the lines on standard error, but for the warning of files that are not code."""
    lines = done.err.strip().splitlines()
    return [line for line in lines if "uploaded too, though no code" not in line]


def test_requests_of_a_submission_with_unchanged_code(
    toy: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    for _ in range(2):
        loopback_workspace.requests.clear()
        assert submit(toy, "greet", config={"wait": False}).code == 0
    # The last one is mlflow's own, when the backend has returned.
    *asked, last = loopback_workspace.requests
    assert last.endswith("/api/2.0/mlflow/runs/set-tag 200")
    assert len(asked) <= 8, asked


def test_a_search_whose_node_is_taken_away_goes_on(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    """The job is the same, and so is its run: finished candidates stay, and none is there twice."""
    grid = 'grid={"clf__n_estimators": [60], "clf__max_depth": [1,2,3,4,5,6,7,8]}'
    known = set(loopback_workspace.jobs)
    process = start(laptop, "train", grid, "report=false", "jobs=1")

    def children(status: str) -> list[Run]:
        (name,) = set(loopback_workspace.jobs) - known
        runs = azure_runs(loopback_workspace, **{"mlflow.parentRunId": name})
        own = [run for run in runs if "step" not in run.data.tags]
        return [run for run in own if run.info.status == status]

    wait_for(
        lambda: set(loopback_workspace.jobs) - known and len(children("FINISHED")) > 2, process
    )
    (job,) = set(loopback_workspace.jobs) - known
    loopback_workspace.runner.preempt(job)
    done = finish(process)
    assert done.code == 0, (done.err, loopback_workspace.jobs[job].log)
    assert "of them are finished, from an interrupted run" in done.out
    finished = [run.data.params["clf__max_depth"] for run in children("FINISHED")]
    assert sorted(finished, key=int) == [str(depth) for depth in range(1, 9)]
    assert children("RUNNING") == []
