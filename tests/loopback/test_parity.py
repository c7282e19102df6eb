"""The record of a train run is the same wherever it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from loopback.workspace import LoopbackWorkspace
from steps.store.fold_tags import FOLDS, read_fold_tags
from steps.store.runs import DESCRIPTION
from tests.loopback.laptop import SMALL, TIMES, Laptop, azure_runs, new_laptop, server, timeless

pytestmark = pytest.mark.slow
ARGUMENTS = (*SMALL, "--n_estimators=1,2")
# They say when and where, not what.
OWN = {"mlflow.parentRunId", "mlflow.runName", "step.upstream_run_id"}
# Child runs have their ranks where that costs no request; cv_results.csv has them everywhere.
FREE_ON_THIS_MACHINE = "rank_test_"


def record(run: Run, paths: set[str], children: list[Run]) -> dict[str, Any]:
    return {
        "params": run.data.params,
        "metrics": {
            name: value
            for name, value in timeless(run).items()
            if not name.startswith(FREE_ON_THIS_MACHINE)
        },
        "tags": {
            # After the first line, a description links to other runs.
            name: value.partition("\n")[0] if name == DESCRIPTION else value
            for name, value in run.data.tags.items()
            if name not in OWN and not name.startswith(("mlflow.source", "azure.", FOLDS))
        },
        "folds": folds(run),
        "artifacts": paths,
        "children": sorted(
            (record(child, set(), []) for child in children),
            key=lambda item: sorted(item["params"].items()),
        ),
    }


def folds(run: Run) -> dict[str, tuple[float, ...]]:
    if FOLDS not in run.data.tags:
        return {}
    scores = read_fold_tags(run.data.tags)
    return {
        name: values for name, values in scores.items() if not any(word in name for word in TIMES)
    }


def record_of(client: MlflowClient, paths: set[str] | None = None) -> dict[str, Any]:
    experiment = client.get_experiment_by_name("parity")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (train,) = [run for run in runs if run.data.tags.get("step") == "train"]
    children = [
        run
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == train.info.run_id
        and "step" not in run.data.tags
    ]
    assert train.info.status == "FINISHED"
    return record(train, artifact_paths(client, train) if paths is None else paths, children)


def artifact_paths(client: MlflowClient, run: Run, folder: str | None = None) -> set[str]:
    found: set[str] = set()
    for item in client.list_artifacts(run.info.run_id, folder):
        found |= artifact_paths(client, run, item.path) if item.is_dir else {item.path}
    return found


def test_a_train_run_is_the_same_in_every_store(
    loopback_workspace: LoopbackWorkspace, mlflow_server: str, tmp_path: Path
) -> None:
    laptop = new_laptop(loopback_workspace, tmp_path)
    stores = {
        "file": f"file://{tmp_path}/mlruns",
        "sqlite": f"sqlite:///{tmp_path}/store.db",
        "http": mlflow_server,
    }
    train(laptop, None)
    (run,) = [
        run
        for run in azure_runs(loopback_workspace, step="train")
        if run.data.tags["mlflow.runName"] and is_parity(loopback_workspace, run)
    ]
    expected = record_of(
        server(loopback_workspace), set(loopback_workspace.artifacts.paths(run.info.run_id))
    )
    assert len(expected["children"]) == 2
    assert expected["artifacts"]
    (laptop.folder / "config.json").unlink()
    for name, uri in stores.items():
        train(laptop, uri)
        found = record_of(MlflowClient(uri))
        # By parts: one comparison of all would say little when it fails.
        for part in expected:
            assert found[part] == expected[part], (name, part)


def is_parity(workspace: LoopbackWorkspace, run: Run) -> bool:
    return bool(server(workspace).get_experiment(run.info.experiment_id).name == "parity")


def train(laptop: Laptop, uri: str | None) -> None:
    done = laptop.run(
        "steps.train",
        *ARGUMENTS,
        MLFLOW_TRACKING_URI=uri,
        MLFLOW_EXPERIMENT_NAME="parity",
        MLFLOW_ALLOW_FILE_STORE="true",
    )
    assert done.code == 0, done.err
