"""What of a project is uploaded, and which parameters the cluster cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_aml.code_asset import content_hash
from mlflow_aml.errors import AzureMLError
from mlflow_aml.job_secrets import check_no_secret
from mlflow_aml.key_detector import keys_in_files
from mlflow_aml.parameters import FILE, FOLDER, AzureData, job_parameters
from mlflow_aml.project_files import check_size, list_files

PROJECT = Path(__file__).parents[2]
SECRETS_AND_STATE = (
    "config.json",
    ".azureml/config.json",
    "sub/config.json",
    ".env",
    "mlflow.db",
    "mlruns/0/meta.yaml",
    "mlartifacts/0/x",
    ".venv/bin/python",
    ".git/HEAD",
    "steps/__pycache__/a.pyc",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    # tmp_path itself has a link to this project's data.
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


HASH = "afd5a3a26a423025795371f3afe96b47b016e6f6822020f897e2e692c3bc249d"
LEFT_OUT_IN_ANY_CASE = (
    "id_rsa", "keys/ID_ED25519.pub", ".ssh/known_hosts", "server.pem", "Cert.PFX", "private.key",
    ".netrc", ".aws/credentials", ".azure/msal_token_cache.json", ".kube/config",
    ".git-credentials", ".pypirc", ".npmrc", "credentials.json", "prod.env", ".envrc",
    "config.json.bak", ".ENV", ".env.local", ".boto", ".s3cfg", ".pgpass", ".my.cnf", "KubeConfig",
    "a/.streamlit/secrets.toml", "infra/terraform.tfstate", "prod.tfvars", "a.jks", "b.keystore",
)  # fmt: skip
STATE = ("mlflow.db-wal", "MLFLOW.DB", "runs.sqlite", "a.rejected.csv", "scored.csv.part")


def make(project: Path, *names: str, size: int = 1) -> None:
    for name in names:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def uploaded(project: Path) -> set[str]:
    return {str(name) for name in list_files(project).sizes}


def test_secrets_and_local_state_stay_without_any_ignore_file(project: Path) -> None:
    make(project, "MLproject", "steps/a.py", "data/d.csv", *SECRETS_AND_STATE)
    assert uploaded(project) == {"MLproject", "steps/a.py", "data/d.csv"}


def test_secrets_stay_even_if_the_ignore_file_lets_them_in(project: Path) -> None:
    make(project, "MLproject", "config.json")
    (project / ".amlignore").write_text("!config.json\n")
    assert uploaded(project) == {"MLproject", ".amlignore"}


def test_what_may_be_a_secret_is_left_out_and_named(project: Path) -> None:
    make(project, "MLproject", *LEFT_OUT_IN_ANY_CASE, *STATE, "a/.config/gcloud/x.db")
    (project / ".amlignore").write_text("!*\n")
    files = list_files(project)
    assert {str(name) for name in files.sizes} == {"MLproject", ".amlignore"}
    folders = {".ssh/", ".aws/", ".azure/", ".kube/", "a/.config/gcloud/"}
    single = {name for name in LEFT_OUT_IN_ANY_CASE if not name.startswith(tuple(folders))}
    assert set(files.left_out) == single | folders


def test_links_to_what_is_left_out_stay_too(project: Path) -> None:
    make(project, "MLproject", ".env", "secret/.netrc", ".ssh/key_of_mine")
    (project / "innocent.txt").symlink_to(project / ".env")
    (project / "notes").symlink_to(project / "secret" / ".netrc")
    (project / "hard.txt").hardlink_to(project / ".env")
    (project / "a_key.txt").hardlink_to(project / ".ssh" / "key_of_mine")
    files = list_files(project)
    assert {str(name) for name in files.sizes} == {"MLproject"}
    assert "innocent.txt" in files.left_out
    assert "hard.txt (a link to a file that is left out)" in files.left_out


def test_hard_links_to_secrets_of_the_user_stay(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    make(home, ".ssh/my_key", ".azure/sub/tokens.bin", ".netrc", "diary.txt", ".config/gh/hosts")
    make(project, "MLproject", "twice.txt")
    monkeypatch.setenv("HOME", str(home))
    links = {"a": ".ssh/my_key", "b": ".azure/sub/tokens.bin", "c": ".netrc", "d": "diary.txt"}
    links["e"] = ".config/gh/hosts"
    for name, target in links.items():
        (project / f"{name}.txt").hardlink_to(home / target)
    # Both names of this one are in the project.
    (project / "again.txt").hardlink_to(project / "twice.txt")
    files = list_files(project)
    assert {str(name) for name in files.sizes} == {"MLproject", "again.txt", "d.txt", "twice.txt"}
    assert files.left_out == [
        f"{name}.txt (a link to {home / links[name]})" for name in ("a", "b", "c", "e")
    ]
    assert files.linked == ["d.txt"]


def test_keys_in_files_is_found_by_file_and_line(project: Path) -> None:
    make(project, "plain.txt")
    key = "AKIA" + "Z3MGDRIIEXAMPLE5"[:16]
    (project / "settings.py").write_text(f"region = 'x'\naws = '{key}'\n")
    (project / "model.bin").write_bytes(bytes(range(256)))
    (project / "guide.md").write_text("give https://user:password@host\nsecret = 'my_password'\n")
    found = [(str(name), line) for name, line, _ in keys_in_files(list_files(project))]
    assert found == [("settings.py", 2)]
    # Nor does this project alarm its own users.
    assert list(keys_in_files(list_files(PROJECT / "steps"))) == []


def test_the_hash_is_that_of_azure_s_own_client(project: Path) -> None:
    # Of azure-ai-ml 1.35.2's get_content_hash, for this folder.
    for name, content in {"b.txt": "two", "A/c.txt": "three", "a.py": "one"}.items():
        make(project, name)
        (project / name).write_text(content)
    assert content_hash(list_files(project)) == HASH


def test_data_of_azure_becomes_inputs_and_outputs(project: Path) -> None:
    make(project, "MLproject")
    root = "azureml://datastores/lake/paths/"
    given = {
        "data": f"{root}tables/all.parquet",
        "input": f"{root}inbox/*.parquet",
        "asset": "azureml:loans:3",
        "output": f"{root}scored/",
        "word": "azureml",
        "path": "https://example.org/t.csv",
        "uri": "https://example.org/t.csv",
    }
    job = job_parameters(given, list_files(project), ["path"], project, ["output"])
    assert job.texts == {
        "data": "${{inputs.data}}",
        "input": "${{inputs.input}}/*.parquet",
        "asset": "${{inputs.asset}}",
        "output": "${{outputs.output}}/scored",
        "word": "azureml",
        "path": "${{inputs.path}}",
        "uri": "https://example.org/t.csv",
    }
    assert job.inputs == {
        "data": AzureData(given["data"], FILE),
        "input": AzureData(f"{root}inbox/", FOLDER),
        "asset": AzureData("azureml:loans:3", ""),
        "path": AzureData("https://example.org/t.csv", FILE),
    }
    assert job.outputs == {"output": AzureData(root, FOLDER)}
    assert job.recorded == given


def test_amlignore_goes_before_gitignore(project: Path) -> None:
    make(project, "a.txt", "b.txt")
    (project / ".gitignore").write_text("a.txt\n")
    assert uploaded(project) == {".gitignore", "b.txt"}
    (project / ".amlignore").write_text("b.txt\n")
    assert uploaded(project) == {".gitignore", ".amlignore", "a.txt"}


def test_links_out_of_the_project_stay(tmp_path: Path) -> None:
    project = tmp_path / "project"
    make(tmp_path, "outside/patients.csv")
    make(project, "inside.csv")
    (project / "file.csv").symlink_to(tmp_path / "outside" / "patients.csv")
    (project / "folder").symlink_to(tmp_path / "outside")
    (project / "other.csv").symlink_to(project / "inside.csv")
    assert uploaded(project) == {"inside.csv", "other.csv"}


def test_this_project_uploads_what_a_job_needs() -> None:
    names = uploaded(PROJECT)
    assert {"MLproject", "conda.yaml", "data/diabetes.csv", "steps/__init__.py"} <= names
    assert not {name for name in names if name.startswith(("tests/", ".ci/", "predictions"))}


def test_too_large_names_the_heaviest_folders(project: Path) -> None:
    make(project, "big/a", "big/b", size=400)
    make(project, "small/a", "c", size=100)
    files = list_files(project)
    check_size(files, 1000)
    with pytest.raises(AzureMLError, match=r"most of it: big/ .*, .*; name in \.amlignore"):
        check_size(files, 999)


def test_parameters_name_files_as_the_job_sees_them(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside.csv"
    make(project, "data/d.csv")
    outside.write_text("x")
    files = list_files(project)
    given = {
        "relative": "data/d.csv",
        "absolute": str(project / "data" / "d.csv"),
        "file_uri": (project / "data" / "d.csv").as_uri(),
        "uri": "https://example.org/d.csv",
        "blob": "wasbs://c@a.blob.core.windows.net/d.csv",
        "word": "latest",
        "delimiter": "/",
        "json": '{"clf__max_depth": [3]}',
        "long": "1," * 5000,
        "missing": "/not/here.csv",
    }
    texts = job_parameters(given, files, [], project).texts
    changed = {name: text for name, text in texts.items() if text != given[name]}
    assert changed == {"absolute": "data/d.csv", "file_uri": "data/d.csv"}


@pytest.mark.parametrize(
    "address",
    [
        "https://user:canary@host/t.csv",
        "https://canary@host/t.csv",
        "https://host/t.csv?sv=1&sig=canary",
        "https://host/t.csv?X-Amz-Signature=canary",
        "https://host/t.csv?api_key=canary",
        '{"data": "https://host/t.csv?token=canary"}',
    ],
)
def test_an_address_with_a_secret_is_in_no_job(project: Path, address: str) -> None:
    make(project, "MLproject")
    with pytest.raises(AzureMLError, match="register the place as a datastore") as refused:
        job_parameters({"data": address}, list_files(project), [], project)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=canary==;EndpointSuffix=x",
        "Server=h;Password=canary",
        "host=db user=me password=canary",
        '{"token": "canary"}',
        "AKIA" + "Z3MGDRIIEXAMPLE5",
    ],
)
def test_a_key_is_in_no_job(text: str) -> None:
    with pytest.raises(AzureMLError, match="keep it in the workspace's key vault") as refused:
        check_no_secret("parameter p", "p", text)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "warned"),
    [
        ("HF_TOKEN", "canary", True),
        ("db-password", "canary", True),
        ("key", "customer_id", False),
        ("max_tokens", "100", False),
        ("tokenizer", "bert", False),
        ("token", "none", False),
        ("text", "password=$DB_PASSWORD", False),
        ("minimum", "test_roc_auc=0.8", False),
    ],
)
def test_a_name_that_says_secret_is_a_warning(
    name: str, text: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    check_no_secret(f"parameter {name}", name, text)
    said = capsys.readouterr().err
    assert ("all who can see the job can read its text" in said) == warned
    assert "canary" not in said


def test_what_a_query_may_say_reaches_the_job_and_is_masked_in_the_record(project: Path) -> None:
    make(project, "MLproject")
    address = "https://host/t.csv?version=3&keyword=blue"
    job = job_parameters({"data": address}, list_files(project), [], project)
    assert job.texts == {"data": address}
    assert job.recorded == {"data": "https://host/t.csv?version=***&keyword=***"}


@pytest.mark.parametrize("form", ["{path}", "../outside.csv", "file://{path}"])
def test_a_file_outside_the_project_fails(tmp_path: Path, form: str) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("x")
    make(tmp_path / "project", "a")
    files = list_files(tmp_path / "project")
    with pytest.raises(AzureMLError, match=r"parameter data: .* not on the cluster, it is outside"):
        job_parameters({"data": form.format(path=outside)}, files, [], tmp_path)


def test_a_file_that_is_left_out_fails(project: Path) -> None:
    make(project, "a", "new.csv")
    (project / ".amlignore").write_text("*.csv\n")
    with pytest.raises(AzureMLError, match="left out of the upload"):
        job_parameters({"input": "new.csv"}, list_files(project), [], project)


def test_a_parameter_of_type_path_may_be_a_folder(tmp_path: Path) -> None:
    make(tmp_path / "project", "data/d.csv")
    make(tmp_path / "elsewhere", "d.csv")
    files = list_files(tmp_path / "project")
    here = tmp_path / "project"
    assert job_parameters({"p": "data"}, files, ["p"], here).texts == {"p": "data"}
    with pytest.raises(AzureMLError, match="outside the project"):
        job_parameters({"p": "../elsewhere"}, files, ["p"], here)
