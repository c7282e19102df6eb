"""Write a fitted pipeline as the folder that `mlflow.sklearn.save_model` would write.

That call of MLflow 3.15 lists all files of all installed packages, only to warn that a requirement
is not installed, and imports what serves models: 0.6 s, as long as the search of a small table. No
option avoids it. A test compares the two folders, file by file.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from steps.store.model_file import MLMODEL, MODEL_FILE

if TYPE_CHECKING:
    from mlflow.models import Model
    from sklearn.pipeline import Pipeline

CONDA, PYTHON, PIP = "conda.yaml", "python_env.yaml", "requirements.txt"
EXAMPLE, REQUEST = "input_example.json", "serving_input_example.json"


def write(
    pipeline: Pipeline,
    model: Model,
    requirements: Sequence[str],
    trusted: Sequence[str],
    target: Path,
    example: Mapping[str, float | str | None] | None = None,
) -> None:
    """Write a pipeline into a new folder, described by `model`, to which its flavors are added.

    `requirements` are pip's; `trusted` are the types that skops may read; `example` is a row that
    shows what a request looks like.
    """
    import skops.io

    target.mkdir(parents=True)
    skops.io.dump(pipeline, target / MODEL_FILE)
    model.add_flavor(
        "python_function",
        predict_fn="predict",
        loader_module="mlflow.sklearn",
        python_version=platform.python_version(),
        model_path=MODEL_FILE,
        env={"conda": CONDA, "virtualenv": PYTHON},
    )
    model.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        sklearn_version=version("scikit-learn"),
        serialization_format="skops",
        code=None,
        skops_trusted_types=list(trusted),
    )
    if example is not None:
        _write_example(example, model, target)
    model.model_size_bytes = (target / MODEL_FILE).stat().st_size
    model.save(target / MLMODEL)
    (target / PIP).write_text("\n".join(requirements), encoding="utf-8")
    for name, content in _environments(requirements).items():
        (target / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _write_example(example: Mapping[str, float | str | None], model: Model, target: Path) -> None:
    rows = {"columns": list(example), "data": [list(example.values())]}
    (target / EXAMPLE).write_text(json.dumps(rows), encoding="utf-8")
    (target / REQUEST).write_text(json.dumps({"dataframe_split": rows}), encoding="utf-8")
    model.saved_input_example_info = {
        "artifact_path": EXAMPLE,
        "serving_input_path": REQUEST,
        "type": "dataframe",
        "pandas_orient": "split",
    }


def _environments(requirements: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """Describe the environment to load a model in, for conda and for virtualenv."""
    python = platform.python_version()
    tools = {name: _version_of(name) for name in ("pip", "setuptools", "wheel")}
    pip = f"pip<={tools['pip']}" if tools["pip"] else "pip"
    return {
        CONDA: {
            "channels": ["conda-forge"],
            "dependencies": [f"python={python}", pip, {"pip": list(requirements)}],
            "name": "mlflow-env",
        },
        PYTHON: {
            "python": python,
            "build_dependencies": [
                f"{name}=={number}" if number else name for name, number in tools.items()
            ],
            "dependencies": [f"-r {PIP}"],
        },
    }


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
