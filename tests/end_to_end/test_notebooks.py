"""The notebooks of docs/notebooks, run from top to bottom."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
from mlflow.tracking import MlflowClient
from nbclient import NotebookClient

from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import REPOSITORY, azure_runs, new_laptop

NOTEBOOKS = REPOSITORY / "docs" / "notebooks"


def run_notebooks(project: Path, env: dict[str, str]) -> list[str]:
    """Run both where a user opens them; give all that they showed."""
    folder = project / "docs" / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    shown = []
    for name in ("train", "inference"):
        notebook = nbformat.reads((folder / f"{name}.ipynb").read_text(), as_version=4)
        client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
        client.execute(env=env)
        shown += [
            str(output.get("text") or output.get("data"))
            for cell in notebook.cells
            if cell.cell_type == "code"
            for output in cell.outputs
        ]
    return shown


def test_on_the_local_store(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(REPOSITORY / "MLproject", project)
    for name in ("steps", "mlflow_aml", "data"):
        (project / name).symlink_to(REPOSITORY / name)
    store = f"sqlite:///{tmp_path}/notebooks.db"
    shown = run_notebooks(project, {**os.environ, "MLFLOW_TRACKING_URI": store})
    assert store in "".join(shown)
    assert "Traceback" not in "".join(shown)
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("diabetes-notebook")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    steps = sorted(run.data.tags["step"] for run in runs if "step" in run.data.tags)
    assert steps == ["batch_score", "batch_score", "preprocess", "train"]
    assert all(run.info.status == "FINISHED" for run in runs)
    assert (project / "predictions.parquet").exists()


def test_in_the_loopback_workspace(loopback_workspace: LoopbackWorkspace, tmp_path: Path) -> None:
    laptop = new_laptop(loopback_workspace, tmp_path)
    shown = run_notebooks(laptop.folder, laptop.env)
    assert loopback_workspace.names.tracking_uri.rstrip("?") in "".join(shown)
    trained = azure_runs(loopback_workspace, step="train")[0]
    scored = azure_runs(loopback_workspace, step="batch_score")[0]
    assert scored.data.tags["model.run_id"] == trained.info.run_id
    assert {trained.info.status, scored.info.status} == {"FINISHED"}
