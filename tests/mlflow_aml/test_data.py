"""Tables where they are: in a datastore, or as a data asset, on this machine and in a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loopback.workspace import LoopbackWorkspace
from tests.loopback.datastore import ROOT, get, make_asset, put
from tests.loopback.interpreter import Interpreter, InterpreterError
from tests.loopback.laptop import REPOSITORY, SMALL, Laptop, azure_runs
from tests.mlflow_aml.toy import new_project, submit

pytestmark = pytest.mark.slow
TABLE = (REPOSITORY / "data" / "diabetes.csv").read_bytes()
COPY = """
name: copy
conda_env: conda.yaml
entry_points:
  main:
    parameters:
      data: {type: string}
      output: {type: string, default: here.txt}
    command: python copy_it.py {data} {output}
  file:
    parameters:
      data: {type: path}
      output: {type: string}
    command: python copy_it.py {data} {output}
"""
COPY_IT = """
import os, sys
data, output = sys.argv[1:]
is_folder = os.path.isdir(data)
paths = [os.path.join(data, name) for name in sorted(os.listdir(data))] if is_folder else [data]
with open(output + ".part", "w") as file:
    file.write("+".join(open(path).read() for path in paths))
os.rename(output + ".part", output)
print("knew", os.environ.get("MLFLOW_AML_INPUTS"))
"""


def methods(workspace: LoopbackWorkspace, path: str) -> set[str]:
    """Return the methods of the requests whose path ends so."""
    lines = [line.split() for line in workspace.requests]
    return {line[0] for line in lines if line[1].endswith(path)}


@pytest.fixture
def copy(laptop: Laptop) -> Laptop:
    conda = "dependencies: [python=3.11, pip, {pip: [azureml-mlflow]}]\n"
    files = {"MLproject": COPY, "conda.yaml": conda, "copy_it.py": COPY_IT}
    return new_project(laptop, "copy", files)


def test_inputs_and_outputs_of_a_job_are_mounted(
    copy: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    put(loopback_workspace, "parts/a.txt", b"one")
    put(loopback_workspace, "parts/b.txt", b"two")
    folder = make_asset(loopback_workspace, "parts", f"{ROOT}parts/", "uri_folder")
    for number, (data, expected) in enumerate(
        [(f"{ROOT}parts/a.txt", b"one"), (f"{ROOT}parts/", b"one+two"), (folder, b"one+two")]
    ):
        done = submit(copy, "main", f"data={data}", f"output={ROOT}made/{number}.txt")
        assert done.code == 0, done.err
        assert get(loopback_workspace, f"made/{number}.txt") == expected
    run = azure_runs(loopback_workspace)[0]
    assert run.data.params["data"] == folder
    # A path that is an address is downloaded, as MLflow does for a run on this machine.
    loopback_workspace.publish("https://example.org/c.txt", b"three")
    given = ("data=https://example.org/c.txt", f"output={ROOT}made/3.txt")
    assert submit(copy, "file", *given).code == 0
    assert get(loopback_workspace, "made/3.txt") == b"three"
    assert azure_runs(loopback_workspace)[0].data.params["data"] == "https://example.org/c.txt"
    known = json.loads(done.out.partition("knew ")[2].splitlines()[0])
    assert known == {"data": f"{loopback_workspace.names.scope}/data/parts/versions/3"}


def test_data_that_is_not_there(copy: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    before = len(loopback_workspace.jobs)
    done = submit(copy, "main", "data=azureml:nothing:1")
    assert "the workspace has no data asset 'azureml:nothing:1'" in done.err
    assert len(loopback_workspace.jobs) == before


def test_steps_read_and_write_a_datastore_in_a_job_and_here(
    laptop: Laptop, loopback_workspace: LoopbackWorkspace
) -> None:
    address = put(loopback_workspace, "tables/diabetes.csv", TABLE)
    table = make_asset(loopback_workspace, "diabetes", address, "uri_file")
    experiment: dict[str, Any] = {"MLFLOW_EXPERIMENT_NAME": "datastore"}
    remote = submit(laptop, "preprocess", f"data={table}", **experiment)
    assert remote.code == 0, remote.err
    assert "preprocess: 768 rows" in remote.out
    made = azure_runs(loopback_workspace)[0]

    # Here: the same content, so the same key; the asset's latest version is the one that is read.
    header, *rows = TABLE.splitlines(keepends=True)
    for number in range(2):
        part = header + b"".join(rows[number * 10 : number * 10 + 10])
        put(loopback_workspace, f"new/{number}.csv", part)
    new = make_asset(loopback_workspace, "new", f"{ROOT}new/", "uri_folder")
    chain = ("--data=azureml:diabetes@latest", f"--input={new}", *SMALL)
    loopback_workspace.requests.clear()
    here = laptop.run("steps.main", *chain, f"--output={ROOT}scored.csv", **experiment)
    assert here.code == 0, here.err
    assert f"preprocess: reusing run {made.info.run_id}" in here.out
    assert f"20 rows to {ROOT}scored.csv" in here.out
    assert get(loopback_workspace, "scored.csv").count(b"\n") == 21
    assert "GET" in methods(loopback_workspace, "/tables/diabetes.csv")
    fresh = laptop.run("steps.preprocess", f"--data={table}", **experiment)
    assert fresh.code == 0, fresh.err
    read_here = azure_runs(loopback_workspace)[0]
    for run in (made, read_here):
        (one,) = run.inputs.dataset_inputs
        assert (one.dataset.name, one.dataset.source_type) == (table, "azureml")
        assert json.loads(one.dataset.source) == {"uri": table}
    assert read_here.data.tags["step.key"] == made.data.tags["step.key"]

    # The storage states the version that was read a moment ago: it is not read again.
    loopback_workspace.requests.clear()
    again = laptop.run("steps.main", *chain, "--output=a-set", **experiment)
    assert again.code == 0, again.err
    assert methods(loopback_workspace, "/tables/diabetes.csv") == {"HEAD"}
    # Another content at the same address is another table.
    put(loopback_workspace, "tables/diabetes.csv", TABLE.replace(b"148", b"149", 1))
    other = laptop.run("steps.preprocess", "--data=azureml:diabetes@latest", **experiment)
    assert other.code == 0, other.err
    changed = azure_runs(loopback_workspace)[0]
    assert changed.data.tags["step.key"] != made.data.tags["step.key"]


def test_fsspec_opens_what_the_workspace_has(
    interpreter: Interpreter, loopback_workspace: LoopbackWorkspace
) -> None:
    put(loopback_workspace, "set/part-0.csv", b"a,b\n1,2\n")
    put(loopback_workspace, "set/part-1.csv", b"a,b\n3,4\n")
    make_asset(loopback_workspace, "set", f"{ROOT}set/", "uri_folder")
    run = interpreter.run
    run("import fsspec")
    assert run(f"fsspec.open('{ROOT}set/part-0.csv').open().read().decode()") == "a,b\n1,2\n"
    run(f"system, path = fsspec.core.url_to_fs('{ROOT}set/')")
    parts = ["set/part-0.csv", "set/part-1.csv"]
    inner = [ROOT.removeprefix("azureml://") + part for part in parts]
    assert run("sorted(system.find(path))") == inner
    assert run("system.isdir(path)") is True
    assert run(f"sorted(system.glob('{ROOT}set/*.csv'))") == inner
    version = run("system.checksum(system.find(path)[0])")
    put(loopback_workspace, "set/part-0.csv", b"a,b\n5,6\n")
    assert run("system.checksum(system.find(path)[0])") != version
    scope = loopback_workspace.names.scope.removeprefix("/")
    long = f"azureml://{scope}/datastores/workspaceblobstore/paths/set/part-1.csv"
    asset_file = "azureml://data/set/versions/3/part-1.csv"
    for address in (long, asset_file):
        assert run(f"fsspec.open('{address}').open().read().decode()") == "a,b\n3,4\n"
    run(f"with fsspec.open('{ROOT}made.txt', 'wb') as file: file.write(b'made')\nNone")
    assert get(loopback_workspace, "made.txt") == b"made"
    with pytest.raises(InterpreterError, match="no datastore 'lake'; it has workspaceart"):
        run("fsspec.open('azureml://datastores/lake/paths/a').open()")


def test_without_a_workspace_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow_aml.errors import AzureMLError
    from mlflow_aml.filesystem import AzureMLFileSystem

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(AzureMLError, match=r"expects a config\.json that names the workspace"):
        AzureMLFileSystem(skip_instance_cache=True).info(f"{ROOT}a")
