"""Jobs of the unmodified azureml-core on the loopback workspace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import Interpreter, InterpreterError

JOB = """
import os, sys, time
import mlflow
from azureml.core import Run
print("hello from the job", Run.get_context().id, flush=True)
assert not [name for name in os.environ if name.startswith("AZURE_")]
with mlflow.start_run():
    mlflow.log_metric("where", float(open("package/data.txt").read() == "one"))
    mlflow.log_text("from the job", "out.txt")
os.mkdir("outputs")
with open("outputs/kept.txt", "w") as file:
    file.write("kept")
if "wait" in sys.argv:
    print("waiting", flush=True)
    time.sleep(60)
if "fail" in sys.argv:
    sys.exit("it failed")
"""
SUBMIT = """
def submit(*arguments, target="cpu-cluster", seconds=None):
    environment = Environment.from_conda_specification("project", "conda.yaml")
    config = ScriptRunConfig(
        source_directory=".",
        command=["python job.py " + " ".join(arguments)],
        compute_target=target,
        environment=environment,
        max_run_duration_seconds=seconds,
    )
    return Experiment(workspace, "jobs").submit(config, tags={"by": "hand"})
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "job.py").write_text(JOB)
    (folder / "package").mkdir()
    (folder / "package" / "data.txt").write_text("one")
    (folder / "conda.yaml").write_text("name: any\ndependencies:\n- python=3.11\n")
    (folder / ".amlignore").write_text("secret.env\n")
    (folder / "secret.env").write_text("never")
    return folder


@pytest.fixture
def submit(interpreter: Interpreter, project: Path) -> Iterator[Callable[[str], str]]:
    """Submit the project with arguments of its job, written as in a call; return the run's id."""
    interpreter.run(f"{SUBMIT}\nbefore = os.getcwd(); os.chdir({str(project)!r})")
    yield lambda arguments: str(interpreter.run(f"job = submit({arguments}); job.id"))
    interpreter.run("os.chdir(before)")


@pytest.mark.slow
def test_a_job_runs_its_snapshot_and_streams_its_log(
    interpreter: Interpreter,
    submit: Callable[[str], str],
    loopback_workspace: LoopbackWorkspace,
    project: Path,
) -> None:
    # azureml-mlflow 1.62 renews a job's token 95 s before its end.
    loopback_workspace.faults.token_lifetime = 94
    run = submit("")
    interpreter.run("job.wait_for_completion(show_output=True)")
    assert f"hello from the job {run}" in interpreter.output
    assert any(line.endswith(f"/runs/{run}/token 200") for line in loopback_workspace.requests)
    assert interpreter.run("job.get_status()") == "Completed"
    assert interpreter.run("job.get_details()['logFiles']").keys() == {"user_logs/std_log.txt"}
    assert interpreter.run(f"MlflowClient().get_run('{run}').data.metrics") == {"where": 1.0}
    assert interpreter.run(f"MlflowClient().get_run('{run}').info.status") == "FINISHED"
    assert interpreter.run(f"MlflowClient().get_run('{run}').data.tags")["by"] == "hand"
    assert interpreter.run(f"mlflow.artifacts.load_text('runs:/{run}/out.txt')") == "from the job"
    assert interpreter.run(f"mlflow.artifacts.load_text('runs:/{run}/outputs/kept.txt')") == "kept"
    job = loopback_workspace.jobs[run]
    uploaded = set(loopback_workspace.snapshots.all[job.snapshot].blobs)
    assert uploaded == {"job.py", "package/data.txt", "conda.yaml", ".amlignore"}
    assert (job.code / "package" / "data.txt").read_text() == "one"
    _second_submission(interpreter, submit, loopback_workspace, project)


def _second_submission(
    interpreter: Interpreter,
    submit: Callable[[str], str],
    loopback_workspace: LoopbackWorkspace,
    project: Path,
) -> None:
    """Submit once more with one file changed; only that file is uploaded, and the job sees all."""
    (project / "package" / "data.txt").write_text("two")
    run = submit("'fail'")
    with pytest.raises(InterpreterError, match="exited with status code 1"):
        interpreter.run("job.wait_for_completion()")
    job = loopback_workspace.jobs[run]
    assert loopback_workspace.snapshots.all[job.snapshot].uploaded == ("package/data.txt",)
    assert (job.code / "job.py").exists()
    assert job.log.endswith("it failed\n")
    assert interpreter.run("job.get_status()") == "Failed"
    assert interpreter.run(f"MlflowClient().get_run('{run}').info.status") == "FAILED"
    assert interpreter.run(f"MlflowClient().get_run('{run}').data.metrics") == {"where": 0.0}


@pytest.mark.slow
def test_a_job_can_be_canceled(
    interpreter: Interpreter, submit: Callable[[str], str], loopback_workspace: LoopbackWorkspace
) -> None:
    run = submit("'wait'")
    job = loopback_workspace.jobs[run]
    deadline = time.monotonic() + 60
    while "waiting" not in job.log and time.monotonic() < deadline:
        time.sleep(0.1)
    interpreter.run("job.cancel(); job.wait_for_completion()")
    assert interpreter.run("job.get_status()") == "Canceled"
    assert interpreter.run(f"MlflowClient().get_run('{run}').info.status") == "KILLED"
    assert job.process is not None
    assert job.process.returncode == -9
    interpreter.run("job.cancel(); job._client.run.post_event_canceled()")  # once more does no harm


@pytest.mark.slow
def test_a_job_ends_at_its_time_limit(
    interpreter: Interpreter, submit: Callable[[str], str], loopback_workspace: LoopbackWorkspace
) -> None:
    run = submit("'wait', seconds=1")
    interpreter.run("job.wait_for_completion(raise_on_error=False)")
    assert loopback_workspace.jobs[run].status == "Canceled"


def test_an_unknown_compute_is_refused(
    interpreter: Interpreter, submit: Callable[[str], str]
) -> None:
    with pytest.raises(InterpreterError, match="not in the workspace"):
        submit("target='no-cluster'")
