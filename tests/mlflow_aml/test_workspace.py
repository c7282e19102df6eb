"""The steps and Azure's real clients against the loopback workspace."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from loopback import faults
from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import SMALL, Laptop, azure_runs, finish, new_laptop, server, timeless

pytestmark = pytest.mark.slow
STUDIO = "https://ml.azure.com/runs/"


def newest(workspace: LoopbackWorkspace, step: str) -> str:
    return str(azure_runs(workspace, step=step)[0].info.run_id)


def test_the_chain_in_all_launch_forms(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace, tmp_path: Path
) -> None:
    experiment = {"MLFLOW_EXPERIMENT_NAME": "launch forms"}
    uri = laptop.run("steps.workspace")
    assert (uri.code, uri.out.strip()) == (0, loopback_workspace.names.tracking_uri.rstrip("?"))

    # 1. mlflow run with config.json: the run it opened locally leads to the one in the workspace.
    prepared = laptop.mlflow_run("preprocess", **experiment)
    assert prepared.code == 0, prepared.err
    prepared_id = newest(loopback_workspace, "preprocess")
    assert f"see: {STUDIO}{prepared_id}?wsid=/subscriptions/" in prepared.out
    (local,) = laptop.local_runs()
    assert local.info.status == "FINISHED"
    assert local.data.tags["azure.run_id"] == prepared_id
    assert local.data.tags["azure.studio_url"].startswith(f"{STUDIO}{prepared_id}?")
    handed = server(loopback_workspace).get_run(prepared_id)
    assert handed.info.status == "FINISHED"
    assert handed.info.run_name == local.info.run_name == "preprocess"
    assert handed.data.params == local.data.params
    assert handed.data.tags["mlflow.project.entryPoint"] == "preprocess"
    assert handed.data.tags["mlflow.source.name"] == local.data.tags["mlflow.source.name"]

    # 2. mlflow run with the URI exported: its own run is in the workspace.
    trained = laptop.mlflow_run("train", *SMALL, MLFLOW_TRACKING_URI=uri.out.strip(), **experiment)
    assert trained.code == 0, trained.err
    train_run = azure_runs(loopback_workspace, step="train")[0]
    assert train_run.data.tags["step.upstream_run_id"] == prepared_id
    assert train_run.data.tags["mlflow.project.backend"] == "local"
    assert len(laptop.local_runs()) == 1
    assert azure_runs(loopback_workspace, **{"mlflow.parentRunId": train_run.info.run_id})

    # 3. python -m steps.…, by run id, on a machine that trained nothing.
    other = new_laptop(loopback_workspace, tmp_path / "other", user=1)
    scored = other.run("steps.batch_score", f"--model={train_run.info.run_id}", **experiment)
    assert scored.code == 0, scored.err
    assert len((other.folder / "predictions.csv").read_text().splitlines()) == 193
    assert not (other.folder / "mlflow.db").exists()
    score_run = azure_runs(loopback_workspace, step="batch_score")[0]
    assert "predictions/predictions.csv" in loopback_workspace.artifacts.paths(
        score_run.info.run_id
    )
    store = server(loopback_workspace)
    made = store.search_runs([score_run.info.experiment_id])
    assert store.get_experiment(score_run.info.experiment_id).name == "launch forms"
    assert {run.info.status for run in made} == {"FINISHED"}
    assert {handed.info.run_id, train_run.info.run_id} < {run.info.run_id for run in made}
    assert not_there(loopback_workspace) == []
    for done, machine in ((prepared, laptop), (trained, laptop), (scored, other)):
        assert_no_secret(done.out + done.err, machine)
    assert_no_secret((laptop.folder / "mlflow.db").read_bytes().decode("latin-1"), laptop)


def not_there(workspace: LoopbackWorkspace) -> list[str]:
    """List requests for what Azure ML does not have; what is made on first use is looked for."""
    made = ("/experiments/get-by-name", "/registered-models/get", "/registered-models/alias")
    return [
        line
        for line in workspace.requests
        if line.endswith(" 404") and not any(call in line for call in made)
    ]


def assert_no_secret(text: str, laptop: Laptop) -> None:
    assert laptop.env["AZURE_CLIENT_SECRET"] not in text
    assert "eyJ" not in text, "a token"


def test_main_runs_its_steps_as_nested_runs(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    before = {run.info.run_id for run in azure_runs(loopback_workspace)}
    done = laptop.type("steps.main", *SMALL, "--seed=7", MLFLOW_EXPERIMENT_NAME="chain of main")
    assert done.code == 0, done.err
    made = [run for run in azure_runs(loopback_workspace) if run.info.run_id not in before]
    steps = {run.data.tags["step"]: run for run in made if "step" in run.data.tags}
    assert set(steps) == {"main", "preprocess", "train", "batch_score"}
    for name in ("preprocess", "train", "batch_score"):
        assert steps[name].data.tags["mlflow.parentRunId"] == steps["main"].info.run_id
    again = laptop.type("steps.main", *SMALL, "--seed=7", MLFLOW_EXPERIMENT_NAME="chain of main")
    assert f"train: reusing run {steps['train'].info.run_id}" in again.out


def test_tokens_expire_in_mid_run(laptop: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    loopback_workspace.faults.token_lifetime = 2
    done = laptop.run("steps.train", *SMALL, "--seed=8")
    assert done.code == 0, done.err
    logins = [line for line in loopback_workspace.requests if "/oauth2/v2.0/token 200" in line]
    assert len(logins) > 2


def test_a_busy_service_is_asked_again(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    for where in (faults.TRACKING, faults.BLOB_UPLOAD):
        for status in (429, 503):
            loopback_workspace.faults.answer(status, where, after=1, retry_after=1)
    done = laptop.type("steps.preprocess")
    assert done.code == 0, done.err
    assert loopback_workspace.faults.answered == 4
    run = azure_runs(loopback_workspace, step="preprocess")[0]
    assert run.info.status == "FINISHED"
    assert set(loopback_workspace.artifacts.paths(run.info.run_id)) == {
        *("data/train.parquet", "data/test.parquet"),
        *("data/schema.json", "data/profile.json", "data/decisions.json"),
    }


def test_the_service_dies_in_mid_train(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    assert laptop.type("steps.preprocess").code == 0
    loopback_workspace.faults.die(faults.LOG_BATCH, after=1)
    done = laptop.run("steps.train", *SMALL, "--seed=9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    assert done.code == 1
    assert done.error.startswith("error: ")
    assert "Traceback" not in done.err
    assert "see: " not in done.out
    loopback_workspace.faults.clear()
    run = azure_runs(loopback_workspace, step="train")[0]
    assert run.info.status != "FINISHED"
    again = laptop.type("steps.batch_score", f"--model={run.info.run_id}")
    assert again.code != 0
    assert not (laptop.folder / "predictions.csv").exists()


def test_two_users_at_once(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace, tmp_path: Path
) -> None:
    machines = [laptop, new_laptop(loopback_workspace, tmp_path / "second", user=1)]
    processes = [
        machine.start("steps.train", *SMALL, MLFLOW_EXPERIMENT_NAME=f"user {number}")
        for number, machine in enumerate(machines)
    ]
    for done in [finish(process) for process in processes]:
        assert done.code == 0, done.err
    first, second = azure_runs(loopback_workspace, step="train")[:2]
    assert first.info.experiment_id != second.info.experiment_id
    assert timeless(first) == timeless(second)
    for run in (first, second):
        (child,) = azure_runs(
            loopback_workspace, mlflow__parentRunId=run.info.run_id, step="preprocess"
        )
        assert child.info.experiment_id == run.info.experiment_id


NO_LOGIN: dict[str, str | None] = {
    "AZURE_CLIENT_ID": None,
    "AZURE_CLIENT_SECRET": None,
    "AZURE_TENANT_ID": None,
}


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"AZURE_CLIENT_SECRET": "a-wrong-secret"}, "AZURE_CLIENT_SECRET is wrong"),
        ({"AZURE_CLIENT_ID": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}, "AZURE_CLIENT_ID is unknown"),
        ({"AZURE_TENANT_ID": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}, "AZURE_TENANT_ID"),
        ({"AZURE_TENANT_ID": "my tenant"}, "AZURE_TENANT_ID: expected the id or the domain"),
        ({"AZURE_AUTHORITY_HOST": "http://login"}, "AZURE_AUTHORITY_HOST: expected an address"),
        (
            {"AZURE_CLIENT_SECRET": None, "AZURE_CLIENT_CERTIFICATE_PATH": "nowhere.pem"},
            "AZURE_CLIENT_CERTIFICATE_PATH: expected a file, found nothing there",
        ),
        (
            {"AZURE_CLIENT_SECRET": None, "AZURE_CLIENT_CERTIFICATE_PATH": "config.json"},
            "AZURE_CLIENT_CERTIFICATE_PATH: expected a certificate with its key",
        ),
        ({"AZURE_TOKEN_CREDENTIALS": "all"}, "azure-identity cannot use the login that is set up"),
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, "could not reach Azure to log in"),
        ({"REQUESTS_CA_BUNDLE": "/nowhere.pem"}, "could not reach Azure to log in"),
        (NO_LOGIN | {"HTTP_PROXY": None}, "found no login to Azure: set AZURE_TENANT_ID"),
    ],
)
def test_a_login_that_fails(laptop: Laptop, env: dict[str, str | None], words: str) -> None:
    started = time.monotonic()
    done = laptop.run("steps.workspace", **env)
    assert time.monotonic() - started < 30
    assert done.code in (1, 2)
    assert words in done.error
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert "a-wrong-secret" not in done.err
    assert_no_secret(done.err, laptop)


def test_an_expired_secret_and_other_workspaces(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    config = laptop.folder / "config.json"
    good = config.read_text()
    names = loopback_workspace.names
    for old, new, words in [
        (names.workspace, "nowhere", "Azure knows no workspace 'nowhere'"),
        (
            names.workspace,
            "forbidden",
            "Azure does not let this login use the workspace 'forbidden'",
        ),
        (names.subscription, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", "no access to the subscript"),
    ]:
        config.write_text(good.replace(f'"{old}"', f'"{new}"'))
        done = laptop.run("steps.workspace")
        assert (done.code, done.out) == (2, "")
        assert words in done.error
        assert len(done.err.strip().splitlines()) == 1, done.err
    config.write_text(good)
    loopback_workspace.faults.refuse_secrets = True
    done = laptop.run("steps.workspace")
    assert "the client secret has expired" in done.error


def test_a_refusal_of_azure_ml_is_shown_in_its_own_words(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    loopback_workspace.faults.answer(403, times=50)
    done = laptop.type("steps.preprocess")
    assert (done.code, done.err) == (
        1,
        "error: Azure ML refused a request (ServiceError): A planned fault.\n",
    )


def test_an_exported_uri_without_a_login_fails_in_time(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    # azureml-mlflow alone would wait for a browser and a device code here.
    uri = loopback_workspace.names.tracking_uri
    started = time.monotonic()
    done = laptop.run("steps.preprocess", **NO_LOGIN, HTTP_PROXY=None, MLFLOW_TRACKING_URI=uri)
    assert time.monotonic() - started < 30
    assert done.code == 2
    assert "found no login to Azure" in done.error


def test_workspace_none_stays_local(laptop: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    done = laptop.run("steps.preprocess", "--workspace=none")
    assert done.code == 0, done.err
    assert len(laptop.local_runs()) == 1
    assert loopback_workspace.requests == []


def test_a_pipeline_of_more_parameters_than_a_run_may_have(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    """Every second of 40 columns has zeros for missing: 40 imputers, far over 200 parameters."""
    names = [f"c{position}" for position in range(40)]
    lines = [",".join([*names, "y"])]
    for row in range(60):
        cells = [(row * 7 + column * 3) % 11 for column in range(40)]
        lines.append(",".join(map(str, [*cells, row % 2])))
    (laptop.folder / "wide.csv").write_text("\n".join(lines) + "\n")
    experiment = {"MLFLOW_EXPERIMENT_NAME": "wide"}
    zeros = f"--zero_as_missing={','.join(names[::2])}"
    table = ("--data=wide.csv", "--target=y", zeros)
    prepared = laptop.type("steps.preprocess", *table, **experiment)
    assert prepared.code == 0, prepared.err
    trained = laptop.type("steps.train", *SMALL, **experiment)
    assert trained.code == 0, trained.err
    parent = newest(loopback_workspace, "train")
    (child,) = azure_runs(loopback_workspace, **{"mlflow.parentRunId": parent})
    assert len(child.data.params) == 200
    assert {"clf__n_estimators", "clf__max_depth", "clf__criterion"} <= child.data.params.keys()
