"""Canary secrets: nothing that a run prints, writes, logs or uploads holds one of them.

That goes for HOME too: for a service principal Azure's clients keep no token on the disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback.faults import TRACKING
from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import SMALL, Done, Laptop, new_laptop

pytestmark = pytest.mark.slow

CANARY = "canary-5e2f9c71"
# Where the user put them; anywhere else is a leak.
PLACED = ("project/notes/config.json", "project/.env", "project/.env.local")


@pytest.fixture
def laptop(loopback_workspace: LoopbackWorkspace, tmp_path: Path) -> Laptop:
    laptop = new_laptop(loopback_workspace, tmp_path / "laptop")
    (laptop.folder / "notes").mkdir()
    for name in PLACED:
        (laptop.folder.parent / name).write_text(f"KEY={CANARY}\n")
    # Left out by the project's own rules only, whatever an ignore file says.
    (laptop.folder / ".amlignore").write_text("!.env\n!config.json\n")
    return laptop


def test_no_secret_anywhere(laptop: Laptop, loopback_workspace: LoopbackWorkspace) -> None:
    before = places(loopback_workspace)
    secrets = watch(loopback_workspace)
    secrets |= {CANARY, laptop.env["AZURE_CLIENT_SECRET"], loopback_workspace.names.account_key}
    # The signature of an address that anyone may read or write a blob with.
    secrets |= {"&sig=", "%26sig%3D"}
    done = {
        "train": laptop.run("steps.train", *SMALL, MLFLOW_LOGGING_LEVEL="DEBUG"),
        "job": laptop.run(
            *("mlflow", "run", ".", "-e", "preprocess", "-b", "aml"),
            *("-c", json.dumps({"compute": "cpu-cluster"})),
        ),
        "login": laptop.run("steps.preprocess", "--debug", AZURE_CLIENT_SECRET=f"wrong-{CANARY}"),
        "tracking": failing(laptop, loopback_workspace),
    }
    codes = {name: ended.code for name, ended in done.items()}
    assert codes == {"train": 0, "job": 0, "login": 2, "tracking": 1}, done
    assert len(secrets) > 8, "tokens were issued"

    contents = dict(everything(done, laptop, loopback_workspace, before))
    for place in ("output of train", "mlflow.db", "std_log.txt", "steps/train.py", "MLmodel"):
        assert any(where.endswith(place) for where in contents), f"{place} is not looked at"
    assert [
        where
        for where, content in contents.items()
        if any(secret.encode() in content for secret in secrets)
    ] == []


def watch(workspace: LoopbackWorkspace) -> set[str]:
    """Collect the tokens that the workspace issues from now on."""
    issued: set[str] = set()
    issue = workspace.tokens.issue

    def remember(subject: str, **claims: str) -> tuple[str, float]:
        token, expires = issue(subject, **claims)
        issued.add(token)
        return token, expires

    workspace.tokens.issue = remember  # type: ignore[method-assign]
    return issued


def failing(laptop: Laptop, workspace: LoopbackWorkspace) -> Done:
    """Run a step whose tracking server refuses it, and show the traceback."""
    workspace.faults.answer(403, TRACKING, times=1000, after=1)
    done = laptop.run("steps.preprocess", "--seed=5", "--debug")
    workspace.faults.clear()
    return done


def everything(
    done: dict[str, Done], laptop: Laptop, workspace: LoopbackWorkspace, before: set[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield all that came of the runs, with where it was found.

    `before` names jobs and blobs of other tests.
    """
    for name, ended in done.items():
        yield f"output of {name}", (ended.out + ended.err).encode()
    # Project and HOME, with the local store and what Azure's clients cache; not the variables
    # of the processes, which is where the secret is given.
    for path in files(laptop.folder.parent):
        if path.relative_to(laptop.folder.parent).as_posix() not in PLACED:
            yield str(path), path.read_bytes()
    for path in (*workspace.folder.glob("mlflow.db*"), workspace.folder / "mlflow.log"):
        yield str(path), path.read_bytes()
    new = places(workspace) - before
    for job in workspace.jobs.values():
        if job.run in new:
            yield f"job {job.run}", json.dumps(job.properties).encode()
            for path in files(job.folder):
                yield str(path), path.read_bytes()
    get, session = workspace.storage.get, workspace.tracking.session
    for blob in new & set(workspace.artifacts.blobs()):
        yield f"blob {blob}", workspace.run(get(session, blob))
    for code in workspace.resources.codes.values():
        for blob in new & set(code.blobs.values()):
            yield f"blob {blob}", workspace.run(get(session, blob, code.container))


def places(workspace: LoopbackWorkspace) -> set[str]:
    """Name all jobs and blobs of the workspace."""
    code = [blob for each in workspace.resources.codes.values() for blob in each.blobs.values()]
    return {*workspace.jobs, *workspace.artifacts.blobs(), *code}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
