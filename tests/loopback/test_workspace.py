"""The unmodified clients against the loopback workspace, which other tests rely on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from loopback.faults import ARM, BLOB_UPLOAD, LOG_BATCH, LOGIN, TRACKING
from loopback.names import FORBIDDEN_WORKSPACE
from loopback.workspace import LoopbackWorkspace
from tests.loopback.interpreter import LIBRARIES, Interpreter, InterpreterError


def test_workspace_get_gives_the_tracking_uri(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    names = loopback_workspace.names
    assert interpreter.run("workspace.get_mlflow_tracking_uri()") == names.tracking_uri
    assert interpreter.run("sorted(workspace.compute_targets)") == sorted(names.computes)


def test_a_run_and_its_artifacts_come_back(interpreter: Interpreter) -> None:
    run = interpreter.run("run_id = tracked(); run_id")
    assert interpreter.run("MlflowClient().get_run(run_id).data.params") == {"depth": "3"}
    assert interpreter.run("MlflowClient().get_run(run_id).data.metrics") == {"auc": 0.5}
    uri = interpreter.run("MlflowClient().get_run(run_id).info.artifact_uri")
    assert uri.startswith("azureml://")
    assert uri.endswith(f"/runs/{run}/artifacts")
    assert interpreter.run("mlflow.artifacts.load_text(f'runs:/{run_id}/notes/a.txt')") == "hello"
    assert interpreter.run("[f.path for f in MlflowClient().list_artifacts(run_id)]") == ["notes"]


def test_artifacts_are_written_once(interpreter: Interpreter) -> None:
    interpreter.run("run_id = tracked()")
    with pytest.raises(InterpreterError, match="already exists"):
        interpreter.run("MlflowClient().log_text(run_id, 'again', 'notes/a.txt')")


def test_mlflow_3_api_is_an_empty_404(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    with pytest.raises(InterpreterError, match="404"):
        interpreter.run("MlflowClient().create_logged_model('0', name='model')")
    assert any("/logged-models 404" in line for line in loopback_workspace.requests)


def test_a_run_has_at_most_200_parameters(interpreter: Interpreter) -> None:
    interpreter.run("run_id = tracked()")
    log = "[MlflowClient().log_batch(run_id, params=[mlflow.entities.Param(f'{j}-{i}', '') for i in"
    interpreter.run(f"{log} range(100)]) for j in range(1)]")
    with pytest.raises(InterpreterError, match="200 parameters"):
        interpreter.run(f"{log} range(100)]) for j in range(1, 2)]")


def test_no_token_no_answer(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    names = loopback_workspace.names
    code = f"""
import requests
url = "{names.api_url}/mlflow/v2.0{names.scope}/api/2.0/mlflow/experiments/search?max_results=1"
[requests.get(url, headers=h).status_code for h in ({{}}, {{"Authorization": "Bearer x"}})]
"""
    assert interpreter.run(code) == [401, 401]


def test_another_host_is_refused_and_remembered(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    with pytest.raises(InterpreterError, match="ProxyError"):
        interpreter.run("import requests; requests.get('https://example.org/')")
    assert loopback_workspace.refused == ["example.org:443"]
    loopback_workspace.refused.clear()


def test_an_address_outside_azure_can_be_published(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.publish("https://data.example.org/a/table.csv", b"x;y\n1;2\n")
    loopback_workspace.publish("https://data.example.org/another.csv", b"x\n")
    read = "import pandas; pandas.read_csv('https://data.example.org/a/table.csv', sep=';').shape"
    assert tuple(interpreter.run(read)) == (1, 2)


def test_there_is_no_managed_identity(interpreter: Interpreter) -> None:
    with pytest.raises(InterpreterError, match="CredentialUnavailable"):
        interpreter.run(
            "from azure.identity import ManagedIdentityCredential\n"
            "ManagedIdentityCredential().get_token('https://management.azure.com/.default')"
        )


def test_a_wrong_secret_is_refused_as_aad_does(interpreter: Interpreter) -> None:
    with pytest.raises(InterpreterError, match="AADSTS7000215"):
        interpreter.run(
            "import os\n"
            "from azure.identity import ClientSecretCredential\n"
            "ids = os.environ['AZURE_TENANT_ID'], os.environ['AZURE_CLIENT_ID']\n"
            "ClientSecretCredential(*ids, 'wrong').get_token('https://management.azure.com/.default')"
        )


@pytest.mark.parametrize(
    ("name", "text"), [("nowhere", "not found"), (FORBIDDEN_WORKSPACE, "AuthorizationFailed")]
)
def test_an_unknown_and_a_forbidden_workspace(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace, name: str, text: str
) -> None:
    names = loopback_workspace.names
    with pytest.raises(InterpreterError, match=text):
        interpreter.run(
            f"Workspace.get('{name}', subscription_id='{names.subscription}', "
            f"resource_group='{names.resource_group}', auth=login())"
        )


def test_planned_answers_are_given_as_often_as_planned(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    faults = loopback_workspace.faults
    for status, where in ((429, TRACKING), (503, TRACKING), (429, LOG_BATCH)):
        faults.answer(status, where, times=2, retry_after=0)
        interpreter.run("run_id = tracked()")
        assert interpreter.run("MlflowClient().get_run(run_id).info.status") == "FINISHED"
    assert faults.answered == 6
    faults.answer(403, ARM, after=1, retry_after=None)  # of two requests
    with pytest.raises(InterpreterError, match="planned fault"):
        interpreter.run("Workspace.from_config(auth=login())")


@pytest.mark.slow
def test_an_upload_is_tried_again(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    # azure-storage-blob 12.27 waits 15 s, give or take 3, whatever Retry-After says.
    loopback_workspace.faults.answer(503, BLOB_UPLOAD, retry_after=0)
    interpreter.run("run_id = tracked()")
    assert loopback_workspace.faults.answered == 1
    assert interpreter.run("mlflow.artifacts.load_text(f'runs:/{run_id}/notes/a.txt')") == "hello"


@pytest.mark.slow
def test_tokens_expire_and_are_renewed(
    loopback_workspace: LoopbackWorkspace, tmp_path: Path
) -> None:
    loopback_workspace.faults.token_lifetime = 2
    env = loopback_workspace.env(tmp_path, user=1) | {
        "MLFLOW_TRACKING_URI": loopback_workspace.names.tracking_uri
    }
    loopback_workspace.write_config(tmp_path)
    with Interpreter(env, tmp_path) as other:
        other.run(LIBRARIES + "\nrun = mlflow.start_run()")
        time.sleep(2.1)
        other.run("mlflow.log_metric('late', 1.0); mlflow.end_run()")
    logins = [line for line in loopback_workspace.requests if "/oauth2/v2.0/token" in line]
    assert len(logins) > 1


def test_revoked_tokens_are_refused(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    interpreter.run("tracked()")
    loopback_workspace.faults.revoke_tokens()
    with pytest.raises(InterpreterError, match="ExpiredAuthenticationToken"):
        interpreter.run("tracked()")


def test_refused_secrets_and_login_faults(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.faults.refuse_secrets = True
    with pytest.raises(InterpreterError, match="AADSTS7000222"):
        interpreter.run("Workspace.from_config(auth=login())")
    loopback_workspace.faults.clear()
    loopback_workspace.faults.answer(503, LOGIN, retry_after=0)
    with pytest.raises(InterpreterError, match="503"):  # msal does not try again
        interpreter.run("Workspace.from_config(auth=login())")


def test_the_service_can_die_in_the_middle(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.faults.die(LOG_BATCH)
    with pytest.raises(InterpreterError, match="Max retries exceeded"):
        interpreter.run("tracked()")
    loopback_workspace.faults.clear()
    interpreter.run("mlflow.end_run('FAILED'); tracked()")
