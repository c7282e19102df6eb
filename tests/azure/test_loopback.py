"""The unmodified clients against the loopback workspace, which other tests rely on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.azure.client import Client, ClientError
from tests.azure.faults import ARM, BLOB_UPLOAD, LOG_BATCH, LOGIN, TRACKING
from tests.azure.loopback import LoopbackWorkspace
from tests.azure.names import FORBIDDEN_WORKSPACE

LOGIN_CODE = """
import os
from azureml.core import Environment, Experiment, Run, ScriptRunConfig, Workspace
from azureml.core.authentication import ServicePrincipalAuthentication

def login():
    return ServicePrincipalAuthentication(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        _enable_caching=False,
    )

workspace = Workspace.from_config(auth=login())
"""
MLFLOW_CODE = """
import mlflow
from mlflow import MlflowClient
mlflow.set_experiment("loopback")
def tracked():
    with mlflow.start_run() as run:
        mlflow.log_params({"depth": 3})
        mlflow.log_metric("auc", 0.5)
        mlflow.log_text("hello", "notes/a.txt")
    return run.info.run_id
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "job.py").write_text(JOB)
    (folder / "package").mkdir()
    (folder / "package" / "data.txt").write_text("one")
    (folder / "conda.yaml").write_text("name: any\ndependencies:\n- python=3.11\n")
    (folder / ".amlignore").write_text("config.json\nsecret.env\n")
    (folder / "secret.env").write_text("never")
    return folder


@pytest.fixture(scope="module")
def started(
    loopback_session: LoopbackWorkspace, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """One client process for all tests here: importing the libraries takes longer than they do."""
    loopback_session.write_config(project)
    retries = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
    env = loopback_session.env(tmp_path_factory.mktemp("home")) | retries
    env["MLFLOW_TRACKING_URI"] = loopback_session.names.tracking_uri
    with Client(env, project) as client:
        client.run(LOGIN_CODE + MLFLOW_CODE)
        yield client


@pytest.fixture
def client(started: Client, loopback_workspace: LoopbackWorkspace) -> Client:
    return started


def test_workspace_get_gives_the_tracking_uri(
    client: Client, loopback_workspace: LoopbackWorkspace
) -> None:
    names = loopback_workspace.names
    assert client.run("workspace.get_mlflow_tracking_uri()") == names.tracking_uri
    assert client.run("sorted(workspace.compute_targets)") == sorted(names.computes)


def test_a_run_and_its_artifacts_come_back(client: Client) -> None:
    run = client.run("run_id = tracked(); run_id")
    assert client.run("MlflowClient().get_run(run_id).data.params") == {"depth": "3"}
    assert client.run("MlflowClient().get_run(run_id).data.metrics") == {"auc": 0.5}
    uri = client.run("MlflowClient().get_run(run_id).info.artifact_uri")
    assert uri.startswith("azureml://")
    assert uri.endswith(f"/runs/{run}/artifacts")
    assert client.run("mlflow.artifacts.load_text(f'runs:/{run_id}/notes/a.txt')") == "hello"
    assert client.run("[f.path for f in MlflowClient().list_artifacts(run_id)]") == ["notes"]


def test_artifacts_are_written_once(client: Client) -> None:
    client.run("run_id = tracked()")
    with pytest.raises(ClientError, match="already exists"):
        client.run("MlflowClient().log_text(run_id, 'again', 'notes/a.txt')")


def test_mlflow_3_api_is_an_empty_404(
    client: Client, loopback_workspace: LoopbackWorkspace
) -> None:
    with pytest.raises(ClientError, match="404"):
        client.run("MlflowClient().create_logged_model('0', name='model')")
    assert any("/logged-models 404" in line for line in loopback_workspace.requests)


def test_a_run_has_at_most_200_parameters(client: Client) -> None:
    client.run("run_id = tracked()")
    log = "[MlflowClient().log_batch(run_id, params=[mlflow.entities.Param(f'{j}-{i}', '') for i in"
    client.run(f"{log} range(100)]) for j in range(1)]")
    with pytest.raises(ClientError, match="200 parameters"):
        client.run(f"{log} range(100)]) for j in range(1, 2)]")


def test_no_token_no_answer(client: Client, loopback_workspace: LoopbackWorkspace) -> None:
    names = loopback_workspace.names
    code = f"""
import requests
url = "{names.api_url}/mlflow/v2.0{names.scope}/api/2.0/mlflow/experiments/search?max_results=1"
[requests.get(url, headers=h).status_code for h in ({{}}, {{"Authorization": "Bearer x"}})]
"""
    assert client.run(code) == [401, 401]


def test_another_host_is_refused_and_remembered(
    client: Client, loopback_workspace: LoopbackWorkspace
) -> None:
    with pytest.raises(ClientError, match="ProxyError"):
        client.run("import requests; requests.get('https://example.org/')")
    assert loopback_workspace.refused == ["example.org:443"]
    loopback_workspace.refused.clear()


def test_there_is_no_managed_identity(client: Client) -> None:
    with pytest.raises(ClientError, match="CredentialUnavailable"):
        client.run(
            "from azure.identity import ManagedIdentityCredential\n"
            "ManagedIdentityCredential().get_token('https://management.azure.com/.default')"
        )


def test_a_wrong_secret_is_refused_as_aad_does(client: Client) -> None:
    with pytest.raises(ClientError, match="AADSTS7000215"):
        client.run(
            "import os\n"
            "from azure.identity import ClientSecretCredential\n"
            "ids = os.environ['AZURE_TENANT_ID'], os.environ['AZURE_CLIENT_ID']\n"
            "ClientSecretCredential(*ids, 'wrong').get_token('https://management.azure.com/.default')"
        )


@pytest.mark.parametrize(
    ("name", "text"), [("nowhere", "not found"), (FORBIDDEN_WORKSPACE, "AuthorizationFailed")]
)
def test_an_unknown_and_a_forbidden_workspace(
    client: Client, loopback_workspace: LoopbackWorkspace, name: str, text: str
) -> None:
    names = loopback_workspace.names
    with pytest.raises(ClientError, match=text):
        client.run(
            f"Workspace.get('{name}', subscription_id='{names.subscription}', "
            f"resource_group='{names.resource_group}', auth=login())"
        )


def test_planned_answers_are_given_as_often_as_planned(
    client: Client, loopback_workspace: LoopbackWorkspace
) -> None:
    faults = loopback_workspace.faults
    for status, where in ((429, TRACKING), (503, TRACKING), (429, LOG_BATCH)):
        faults.answer(status, where, times=2, retry_after=0)
        client.run("run_id = tracked()")
        assert client.run("MlflowClient().get_run(run_id).info.status") == "FINISHED"
    assert faults.answered == 6
    faults.answer(403, ARM, after=1, retry_after=None)  # of two requests
    with pytest.raises(ClientError, match="planned fault"):
        client.run("Workspace.from_config(auth=login())")


@pytest.mark.slow
def test_an_upload_is_tried_again(client: Client, loopback_workspace: LoopbackWorkspace) -> None:
    # azure-storage-blob waits 15 s, give or take 3, whatever Retry-After says.
    loopback_workspace.faults.answer(503, BLOB_UPLOAD, retry_after=0)
    client.run("run_id = tracked()")
    assert loopback_workspace.faults.answered == 1
    assert client.run("mlflow.artifacts.load_text(f'runs:/{run_id}/notes/a.txt')") == "hello"


def test_tokens_expire_and_are_renewed(
    client: Client, loopback_workspace: LoopbackWorkspace, project: Path, tmp_path: Path
) -> None:
    loopback_workspace.faults.token_lifetime = 2
    env = loopback_workspace.env(tmp_path) | {
        "MLFLOW_TRACKING_URI": loopback_workspace.names.tracking_uri
    }
    with Client(env, project) as other:
        other.run(MLFLOW_CODE + "run = mlflow.start_run()")
        time.sleep(2.1)
        other.run("mlflow.log_metric('late', 1.0); mlflow.end_run()")
    logins = [line for line in loopback_workspace.requests if "/oauth2/v2.0/token" in line]
    assert len(logins) > 1


def test_revoked_tokens_are_refused(client: Client, loopback_workspace: LoopbackWorkspace) -> None:
    client.run("tracked()")
    loopback_workspace.faults.revoke_tokens()
    with pytest.raises(ClientError, match="ExpiredAuthenticationToken"):
        client.run("tracked()")


def test_refused_secrets_and_login_faults(
    client: Client, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.faults.refuse_secrets = True
    with pytest.raises(ClientError, match="AADSTS7000222"):
        client.run("Workspace.from_config(auth=login())")
    loopback_workspace.faults.clear()
    loopback_workspace.faults.answer(503, LOGIN, retry_after=0)
    with pytest.raises(ClientError, match="503"):  # msal does not try again
        client.run("Workspace.from_config(auth=login())")


def test_the_service_can_die_in_the_middle(
    client: Client, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.faults.die(LOG_BATCH)
    with pytest.raises(ClientError, match="Max retries exceeded"):
        client.run("tracked()")
    loopback_workspace.faults.clear()
    client.run("mlflow.end_run('FAILED'); tracked()")


JOB = """
import os, sys, time
import mlflow
from azureml.core import Run
print("hello from the job", Run.get_context().id, flush=True)
assert not [name for name in os.environ if name.startswith("AZURE_")]
with mlflow.start_run():
    mlflow.log_metric("where", float(open("package/data.txt").read() == "one"))
    mlflow.log_text("from the job", "out.txt")
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


@pytest.fixture
def submit(client: Client) -> Callable[[str], str]:
    client.run(SUBMIT)
    return lambda arguments: str(client.run(f"job = submit({arguments}); job.id"))


@pytest.mark.slow
def test_a_job_runs_its_snapshot_and_streams_its_log(
    client: Client,
    submit: Callable[[str], str],
    loopback_workspace: LoopbackWorkspace,
    project: Path,
) -> None:
    loopback_workspace.faults.token_lifetime = (
        94  # azureml renews a job's token 95 s before its end
    )
    run = submit("")
    client.run("job.wait_for_completion(show_output=True)")
    assert f"hello from the job {run}" in client.output
    assert any(line.endswith(f"/runs/{run}/token 200") for line in loopback_workspace.requests)
    assert client.run("job.get_status()") == "Completed"
    assert client.run("job.get_details()['logFiles']").keys() == {"user_logs/std_log.txt"}
    assert client.run(f"MlflowClient().get_run('{run}').data.metrics") == {"where": 1.0}
    assert client.run(f"MlflowClient().get_run('{run}').info.status") == "FINISHED"
    assert client.run(f"MlflowClient().get_run('{run}').data.tags")["by"] == "hand"
    assert client.run(f"mlflow.artifacts.load_text('runs:/{run}/out.txt')") == "from the job"
    job = loopback_workspace.jobs[run]
    uploaded = set(loopback_workspace.snapshots.all[job.snapshot].blobs)
    assert uploaded == {"job.py", "package/data.txt", "conda.yaml", ".amlignore"}
    assert (job.code / "package" / "data.txt").read_text() == "one"
    _second_submission(client, submit, loopback_workspace, project)


def _second_submission(
    client: Client,
    submit: Callable[[str], str],
    loopback_workspace: LoopbackWorkspace,
    project: Path,
) -> None:
    """Submit once more with one file changed; only that file is uploaded, and the job sees all."""
    (project / "package" / "data.txt").write_text("two")
    run = submit("'fail'")
    with pytest.raises(ClientError, match="exited with status code 1"):
        client.run("job.wait_for_completion()")
    job = loopback_workspace.jobs[run]
    assert loopback_workspace.snapshots.all[job.snapshot].uploaded == ("package/data.txt",)
    assert (job.code / "job.py").exists()
    assert job.log.endswith("it failed\n")
    assert client.run("job.get_status()") == "Failed"
    assert client.run(f"MlflowClient().get_run('{run}').info.status") == "FAILED"
    assert client.run(f"MlflowClient().get_run('{run}').data.metrics") == {"where": 0.0}


@pytest.mark.slow
def test_a_job_can_be_canceled(
    client: Client, submit: Callable[[str], str], loopback_workspace: LoopbackWorkspace
) -> None:
    run = submit("'wait'")
    job = loopback_workspace.jobs[run]
    deadline = time.monotonic() + 60
    while "waiting" not in job.log and time.monotonic() < deadline:
        time.sleep(0.1)
    client.run("job.cancel(); job.wait_for_completion()")
    assert client.run("job.get_status()") == "Canceled"
    assert client.run(f"MlflowClient().get_run('{run}').info.status") == "KILLED"
    assert job.process is not None
    assert job.process.returncode == -9
    client.run("job.cancel(); job._client.run.post_event_canceled()")  # once more does no harm


def test_a_job_ends_at_its_time_limit(
    client: Client, submit: Callable[[str], str], loopback_workspace: LoopbackWorkspace
) -> None:
    run = submit("'wait', seconds=1")
    client.run("job.wait_for_completion(raise_on_error=False)")
    assert loopback_workspace.jobs[run].status == "Canceled"


def test_an_unknown_compute_is_refused(client: Client, submit: Callable[[str], str]) -> None:
    with pytest.raises(ClientError, match="not in the workspace"):
        submit("target='no-cluster'")
