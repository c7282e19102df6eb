"""Jobs of the unmodified azure-ai-ml on the loopback workspace, and what it refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from loopback.job import seconds
from loopback.names import BLOBSTORE
from loopback.resources import Code
from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import Interpreter, InterpreterError

pytestmark = pytest.mark.slow
JOB = """
import os, sys, time
import mlflow
print("hello from the job", os.environ["AZUREML_RUN_ID"], *sys.argv[1:], flush=True)
assert not [name for name in os.environ if name.startswith("AZURE_")]
with mlflow.start_run():
    mlflow.log_metric("where", float(open("package/data.txt").read() == "one"))
    mlflow.log_text("from the job", "out.txt")
os.mkdir("outputs")
with open("outputs/kept.txt", "w") as file:
    file.write("kept")
# azure-ai-ml 1.35 shows no log of a job that ended before it looked.
time.sleep(3)
if "wait" in sys.argv:
    print("waiting", flush=True)
    time.sleep(60)
if "fail" in sys.argv:
    sys.exit("it failed")
"""


@pytest.fixture(scope="module", autouse=True)
def project(v2_session: Interpreter) -> Path:
    folder = Path(v2_session.run("import os; os.getcwd()"))
    # Again, where another module's tests came between.
    (folder / "project" / "package").mkdir(parents=True, exist_ok=True)
    (folder / "project" / "job.py").write_text(JOB)
    (folder / "project" / "package" / "data.txt").write_text("one")
    (folder / "project" / ".amlignore").write_text("secret.env\n")
    (folder / "project" / "secret.env").write_text("never")
    (folder / "conda.yaml").write_text("name: any\ndependencies:\n- python=3.11\n")
    return folder


def test_submits_streams_shows_and_lists(
    v2_client: Interpreter, interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    # azureml-mlflow 1.62 renews a job's token 95 s before its end.
    loopback_workspace.faults.token_lifetime = 94
    run = v2_client.run(
        "job = submit('${{inputs.who}}', inputs={'who': 'you'}, tags={'by': 'hand'}); job.name"
    )
    loopback_workspace.faults.token_lifetime = 3600
    v2_client.run("client.jobs.stream(job.name)")
    assert f"hello from the job {run} you" in v2_client.output
    assert any(line.endswith(f"/runs/{run}/token 200") for line in loopback_workspace.requests)
    assert v2_client.run("str(client.jobs.get(job.name).status)") == "JobStatus.COMPLETED"
    assert run in v2_client.run("[each.name for each in client.jobs.list()]")
    assert interpreter.run(f"MlflowClient().get_run('{run}').data.metrics") == {"where": 1.0}
    assert interpreter.run(f"MlflowClient().get_run('{run}').info.status") == "FINISHED"
    assert interpreter.run(f"MlflowClient().get_run('{run}').data.tags")["by"] == "hand"
    assert interpreter.run(f"mlflow.artifacts.load_text('runs:/{run}/out.txt')") == "from the job"
    assert interpreter.run(f"mlflow.artifacts.load_text('runs:/{run}/outputs/kept.txt')") == "kept"
    job = loopback_workspace.jobs[run]
    assert set(job.code_asset.blobs) == {"job.py", "package/data.txt", ".amlignore"}
    assert (job.code / "package" / "data.txt").read_text() == "one"


def test_a_job_that_fails(v2_client: Interpreter, loopback_workspace: LoopbackWorkspace) -> None:
    run = v2_client.run("job = submit('fail'); job.name")
    with pytest.raises(InterpreterError, match="exited with status code 1"):
        v2_client.run("client.jobs.stream(job.name)")
    assert loopback_workspace.jobs[run].log.endswith("it failed\n")
    assert loopback_workspace.jobs[run].status == "Failed"


def test_a_job_can_be_canceled(
    v2_client: Interpreter, interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    run = v2_client.run("job = submit('wait'); job.name")
    job = loopback_workspace.jobs[run]
    deadline = time.monotonic() + 60
    while "waiting" not in job.log:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    v2_client.run("client.jobs.begin_cancel(job.name).result()")
    assert v2_client.run("str(client.jobs.get(job.name).status)") == "JobStatus.CANCELED"
    assert interpreter.run(f"MlflowClient().get_run('{run}').info.status") == "KILLED"
    assert [process.returncode for process in job.processes] == [-9]
    v2_client.run("client.jobs.begin_cancel(job.name).result()")  # once more does no harm


def test_a_job_ends_at_its_time_limit(
    v2_client: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    run = v2_client.run(
        "builder = command(code='./project', command='sleep 60', compute='cpu-cluster',\n"
        "    environment=Environment(image='an-image', conda_file='conda.yaml'))\n"
        "builder.set_limits(timeout=1)\n"
        "job = client.jobs.create_or_update(builder)\njob.name"
    )
    v2_client.run("client.jobs.stream(job.name)")  # a canceled job raises nothing there
    assert loopback_workspace.jobs[run].status == "Canceled"


def test_inputs_and_outputs_in_a_datastore(
    v2_client: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    storage, session = loopback_workspace.storage, loopback_workspace.tracking.session
    for name in ("in/a.txt", "in/b.txt"):
        loopback_workspace.run(storage.put(session, name, name.encode(), BLOBSTORE))
    v2_client.run(
        "from azure.ai.ml import Output\n"
        "root = 'azureml://datastores/workspaceblobstore/paths/'\n"
        "job = client.jobs.create_or_update(command(\n"
        "    code='./project', compute='cpu-cluster',\n"
        "    command='cat ${{inputs.all}}/*.txt ${{inputs.one}} > ${{outputs.out}}/c.txt',\n"
        "    inputs={'all': Input(type='uri_folder', path=root + 'in/'),\n"
        "            'one': Input(type='uri_file', path=root + 'in/a.txt')},\n"
        "    outputs={'out': Output(type='uri_folder', path=root + 'made/')},\n"
        "    environment=Environment(image='an-image', conda_file='conda.yaml')))\n"
        "client.jobs.stream(job.name)"
    )
    made = loopback_workspace.run(storage.get(session, "made/c.txt", BLOBSTORE))
    assert made == b"in/a.txtin/b.txtin/a.txt"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("compute='no-cluster'", "no-cluster is not in the workspace"),
        ("name='twice'", "twice already exists"),
        ("instance_count=9", "only has 4 maximum nodes"),
        ("instance_count=2", "needs a distribution"),
    ],
)
def test_what_the_service_refuses(v2_client: Interpreter, options: str, words: str) -> None:
    if "twice" in options:
        v2_client.run(f"submit({options}).name")
    with pytest.raises(InterpreterError, match=words):
        v2_client.run(f"submit({options}).name")


BODY: dict[str, Any] = {"jobType": "Command", "command": "true"}
WITHOUT_CODE = {"computeId": "cpu-cluster", "codeId": "azureml:code:2"}
# The workspace has version 1 of the code.
BARE = {"computeId": "cpu-cluster", "codeId": "azureml:code:1", "environmentId": "azureml:e:9"}


@pytest.mark.parametrize(
    ("method", "path", "version", "body", "status", "words"),
    [
        ("GET", "/jobs", None, None, 400, "MissingApiVersionParameter"),
        ("GET", "/jobs", "2020-08-01", None, 400, "NoRegisteredProviderFound"),
        ("PUT", "/jobs/j", "2024-10-01", {**BODY, "computeId": "none"}, 400, "target none is not"),
        ("PUT", "/jobs/j", "2024-10-01", {**BODY, **WITHOUT_CODE}, 400, "Not found: codeId"),
        ("PUT", "/jobs/j", "2024-10-01", {**BODY, **BARE}, 400, "Not found: environmentId"),
        ("PUT", "/jobs/j", "2024-10-01", {**BODY, "what": 1}, 400, "Could not find member 'what'"),
        ("GET", "/codes/no/versions/1", "2024-10-01", None, 404, "Not found"),
        ("GET", "/environments/no/versions/1", "2024-10-01", None, 404, "Not found"),
    ],
)
def test_what_resource_manager_refuses(
    interpreter: Interpreter,
    loopback_workspace: LoopbackWorkspace,
    method: str,
    path: str,
    version: str | None,
    body: dict[str, Any] | None,
    status: int,
    words: str,
) -> None:
    loopback_workspace.resources.codes["code/1"] = Code("", "", "", {})
    answer = ask(interpreter, loopback_workspace, method, path, version, body)
    assert answer[0] == status
    assert words in answer[1]


def ask(
    interpreter: Interpreter,
    workspace: LoopbackWorkspace,
    method: str,
    path: str,
    version: str | None,
    body: dict[str, Any] | None,
    audience: str = "https://management.azure.com",
) -> list[Any]:
    """Ask Resource Manager; returns status and text."""
    query = f"?api-version={version}" if version else ""
    url = f"https://management.azure.com{workspace.names.scope}{path}{query}"
    content = json.dumps({"properties": body})
    code = f"""
import requests
from azure.identity import DefaultAzureCredential
token = DefaultAzureCredential().get_token("{audience}/.default").token
answer = requests.request(
    "{method}", {url!r}, data={content!r}, headers={{"Authorization": "Bearer " + token}}
)
[answer.status_code, answer.text]
"""
    answer: list[Any] = interpreter.run(code)
    return answer


def test_a_token_for_another_audience(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    answer = ask(
        *(interpreter, loopback_workspace, "GET", "/jobs", "2024-10-01", None),
        audience="https://storage.azure.com",
    )
    assert answer[0] == 401
    assert "InvalidAuthenticationTokenAudience" in answer[1]


def test_an_upload_that_does_not_match_its_hash(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    place = ask(
        *(interpreter, loopback_workspace, "POST", "/codes/c/versions/1/startPendingUpload"),
        *("2024-10-01", {}),
    )
    uri = json.loads(place[1])["blobReferenceForConsumption"]["blobUri"]
    container = uri.rpartition("/")[2]
    storage, session = loopback_workspace.storage, loopback_workspace.tracking.session
    loopback_workspace.run(storage.put(session, "p/a.py", b"tampered", container))
    body = {"codeUri": f"{uri}/p", "properties": {"hash_sha256": "0" * 64}}
    path = "/codes/c/versions/1"
    answer = ask(interpreter, loopback_workspace, "PUT", path, "2024-10-01", body)
    assert answer[0] == 400
    assert "does not match its content hash" in answer[1]


def test_an_environment_does_not_change(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    place = (interpreter, loopback_workspace, "PUT", "/environments/e/versions/1", "2024-10-01")
    assert ask(*place, {"image": "one"})[0] == 201
    assert ask(*place, {"image": "one"})[0] == 200
    assert ask(*place, {"image": "two"})[0] == 409


def test_a_reader_may_not_write(loopback_workspace: LoopbackWorkspace, tmp_path: Path) -> None:
    with Interpreter(loopback_workspace.env(tmp_path / "home", user=2), tmp_path) as reader:
        asked = (reader, loopback_workspace)
        assert ask(*asked, "GET", "/jobs", "2024-10-01", None)[0] == 200
        answers = [
            ask(*asked, "PUT", "/environments/r/versions/1", "2024-10-01", {"image": "one"}),
            ask(*asked, "PUT", "/jobs/r", "2024-10-01", BODY),
            ask(*asked, "POST", "/codes/r/versions/1/startPendingUpload", "2024-10-01", {}),
        ]
    for answer in answers:
        assert answer[0] == 403
        assert "AuthorizationFailed" in answer[1]


def test_durations() -> None:
    assert [seconds(text) for text in ("PT90S", "PT1H", "PT1H2M3S", None)] == [90, 3600, 3723, None]
