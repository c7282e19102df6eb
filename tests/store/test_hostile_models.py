"""Nothing of a model runs before it is known that `train` could have written it.

Each hostile model plants a canary: code that makes a file. Whatever the format and whatever the
way to the model, the file never appears, and one line with exit code 2 says why.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from sklearn.ensemble import RandomForestClassifier

from steps.base.errors import StepError
from steps.data.schema import Schema
from steps.model.pipeline import build_pipeline
from steps.store import models
from tests.conftest import SMALL, RunStep

SCHEMA = Schema(features=("a", "b"), target="y", classes=(0, 1), zero_as_missing=())


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a model as `train` does."""
    target = tmp_path_factory.mktemp("saved") / "model"
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    pipeline = build_pipeline(SCHEMA, 0, n_estimators=2, max_depth=3).fit(rows, rows.a > 0)
    metadata = {
        "schema": asdict(SCHEMA),
        "threshold": 0.5,
        "train_run_id": "1" * 32,
        "preprocess_run_id": "2" * 32,
        "versions": {"scikit-learn": "1.9.1"},
    }
    models.save(pipeline, SCHEMA, metadata, "1" * 32, target)
    return target


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """Give a copy of the model to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def edit(model: Path, flavor: str = "sklearn", **changes: object) -> None:
    """Change entries of a flavor in the MLmodel file; None takes one away."""
    described = yaml.safe_load((model / "MLmodel").read_text())
    changed = described["flavors"][flavor] | changes
    described["flavors"][flavor] = {k: v for k, v in changed.items() if v is not None}
    (model / "MLmodel").write_text(yaml.safe_dump(described))


def pickled(model: Path, canary: Path) -> None:
    (model / "model.pkl").write_bytes(pickle.dumps(Canary(canary)))
    edit(model, serialization_format="pickle", pickled_model="model.pkl")


def cloudpickled(model: Path, canary: Path) -> None:
    (model / "model.pkl").write_bytes(cloudpickle.dumps(Canary(canary)))
    edit(model, serialization_format="cloudpickle", pickled_model="model.pkl")


def without_format(model: Path, canary: Path) -> None:
    (model / "model.skops").write_bytes(pickle.dumps(Canary(canary)))
    edit(model, serialization_format=None)


def absolute_path(model: Path, canary: Path) -> None:
    elsewhere = model.parent / "elsewhere.skops"
    (model / "model.skops").rename(elsewhere)
    edit(model, pickled_model=str(elsewhere))


def path_out_of_the_folder(model: Path, canary: Path) -> None:
    (model / "model.skops").rename(model.parent / "outside.skops")
    edit(model, pickled_model="../outside.skops")


def link_out_of_the_folder(model: Path, canary: Path) -> None:
    (model / "model.skops").rename(model.parent / "outside.skops")
    (model / "model.skops").symlink_to(model.parent / "outside.skops")


def trusting_print(model: Path, canary: Path) -> None:
    skops.io.dump({"f": print}, model / "model.skops")
    edit(model, skops_trusted_types=["builtins.print"])


def trusting_a_module_of_its_own(model: Path, canary: Path) -> None:
    (model / "code").mkdir()
    (model / "code" / "evilmodule.py").write_text(
        f"import os\nos.mkdir({str(canary)!r})\nclass Evil: pass\n"
    )
    skops_file(model, '{"__class__": "Evil", "__module__": "evilmodule", "__loader__": "TypeNode"')
    edit(model, skops_trusted_types=["evilmodule.Evil"], code="code")
    edit(model, "python_function", code="code")


def code_in_the_place_of_a_lazy_import(model: Path, canary: Path) -> None:
    (model / "code").mkdir()
    (model / "code" / "s3fs.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    edit(model, code="code")


def loader_of_its_own(model: Path, canary: Path) -> None:
    edit(model, "python_function", loader_module="evilmodule")


def untrusted_type(model: Path, canary: Path) -> None:
    skops.io.dump(Canary(canary).path, model / "model.skops")


def another_estimator(model: Path, canary: Path) -> None:
    from sklearn.svm import SVC

    skops.io.dump(SVC(), model / "model.skops")


def not_an_estimator(model: Path, canary: Path) -> None:
    skops.io.dump([1, 2], model / "model.skops")


def bomb(model: Path, canary: Path) -> None:
    with ZipFile(model / "model.skops", "w", ZIP_DEFLATED) as file:
        file.writestr("schema.json", "[" + " " * 10_000_000 + "]")


def nested(model: Path, canary: Path) -> None:
    skops_file(model, '{"a":' * 100_000)


def truncated(model: Path, canary: Path) -> None:
    content = (model / "model.skops").read_bytes()
    (model / "model.skops").write_bytes(content[:-1000])


def no_file(model: Path, canary: Path) -> None:
    (model / "model.skops").unlink()


def pipe(model: Path, canary: Path) -> None:
    (model / "model.skops").unlink()
    os.mkfifo(model / "model.skops")


def forged_tree(model: Path, canary: Path) -> None:
    pipeline = models.load(model).estimator
    tree = pipeline[-1].estimators_[0].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"]["left_child"][0] = 10**9
    tree.__setstate__(state)
    skops.io.dump(pipeline, model / "model.skops")


def skops_file(model: Path, schema: str) -> None:
    with ZipFile(model / "model.skops", "w") as file:
        file.writestr("schema.json", schema + ', "protocol": 2, "content": {}}')


HOSTILE: dict[Callable[[Path, Path], None], str] = {
    pickled: "format is 'pickle'",
    cloudpickled: "format is 'cloudpickle'",
    without_format: "format is 'not said'",
    absolute_path: "not its own model.skops",
    path_out_of_the_folder: "not its own model.skops",
    link_out_of_the_folder: "found a link in the place of model.skops",
    trusting_print: "Untrusted types found in the file: ['builtins.print']",
    trusting_a_module_of_its_own: "brings code of its own",
    code_in_the_place_of_a_lazy_import: "brings code of its own",
    loader_of_its_own: "a loader of its own",
    untrusted_type: "not trusted: pathlib",
    another_estimator: "not trusted: sklearn.svm._classes.SVC",
    not_an_estimator: "a list where an estimator belongs",
    bomb: "a compressed model file",
    nested: "a damaged model.skops",
    truncated: "a damaged model.skops",
    no_file: "no readable model.skops",
    pipe: "no regular file model.skops",
    forged_tree: "trees whose nodes lead nowhere",
}


def test_a_model_of_this_project_is_loaded(model: Path) -> None:
    assert isinstance(models.load(model).estimator[-1], RandomForestClassifier)


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: str(spoil.__name__))
def test_a_hostile_model(spoil: Callable[[Path, Path], None], model: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    spoil(model, canary)
    with pytest.raises(StepError, match="expected a model that train of this project") as refused:
        models.load(model)
    assert HOSTILE[spoil] in str(refused.value)
    assert refused.value.exit_code == 2
    assert not canary.exists()


@pytest.mark.parametrize("spoil", [trusting_a_module_of_its_own])
def test_types_count_without_the_code_of_the_folder(
    spoil: Callable[[Path, Path], None], model: Path, tmp_path: Path
) -> None:
    spoil(model, tmp_path / "canary")
    edit(model, code=None)
    edit(model, "python_function", code=None)
    with pytest.raises(StepError, match=r"not trusted: evilmodule\.Evil"):
        models.load(model)


@pytest.mark.parametrize(
    ("mlmodel", "found"),
    [
        ("[" * 100_000, "nested too deep"),
        ("a: &a [1]\nb: *a", "it has an alias"),
        ("a: " + "1:" * 10_000 + "1", "one value is too long"),
        ("!!python/object/apply:os.system ['true']", "unreadable MLmodel"),
        ("\x00", "unreadable MLmodel"),
        ("just a text", "format is 'not said'"),
        ("flavors: [1]", "format is 'not said'"),
        ("", "format is 'not said'"),
    ],
)
def test_a_hostile_mlmodel(mlmodel: str, found: str, model: Path) -> None:
    (model / "MLmodel").write_text(mlmodel)
    with pytest.raises(StepError, match="expected a model that train of this project") as refused:
        models.load(model)
    assert found in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema", None),
        ("schema", "text"),
        ("schema", {"features": "ab", "target": "y", "classes": [0, 1], "zero_as_missing": []}),
        ("schema", asdict(SCHEMA) | {"features": [["a"], "b"]}),
        ("schema", asdict(SCHEMA) | {"features": ["a", "a"]}),
        ("schema", asdict(SCHEMA) | {"classes": [0.5, 1]}),
        ("schema", asdict(SCHEMA) | {"classes": [1]}),
        ("schema", asdict(SCHEMA) | {"delimiter": ""}),
        ("schema", asdict(SCHEMA) | {"dates": [{"name": "a"}]}),
        ("schema", asdict(SCHEMA) | {"rules": {"missing": 1}}),
        ("threshold", "0.5"),
        ("threshold", float("nan")),
        ("threshold", None),
        ("preprocess_run_id", "../../elsewhere"),
        ("train_run_id", 12),
        ("versions", ["1.9"]),
        ("conformal", {}),
        ("conformal", {"rows": 9, "levels": [0.5], "quantiles": []}),
        ("conformal", {"rows": 9, "levels": [0.5], "quantiles": [float("nan")]}),
        ("conformal", {"rows": 9, "levels": [0.5], "quantiles": [10**400]}),
    ],
)
def test_metadata_of_another_shape(name: str, value: object, model: Path) -> None:
    described = yaml.safe_load((model / "MLmodel").read_text())
    described["metadata"][name] = value
    (model / "MLmodel").write_text(yaml.dump(described, Dumper=NoAliases))
    with pytest.raises(StepError, match="metadata of another shape"):
        models.load(model)


@pytest.mark.parametrize(
    "change",
    [
        {"features": ["a", "b", "c"]},
        {"features": ["a"]},
        {"categories": ["a"]},
        {"classes": [5, 6]},
        {"classes": ["no", "yes"]},
        {"classes": [0, 1, 2]},
        {"classes": []},
    ],
)
def test_an_estimator_that_does_not_fit_its_schema(change: dict[str, Any], model: Path) -> None:
    described = yaml.safe_load((model / "MLmodel").read_text())
    described["metadata"]["schema"] |= change
    (model / "MLmodel").write_text(yaml.dump(described, Dumper=NoAliases))
    with pytest.raises(StepError, match="an estimator that cannot predict what its schema says"):
        models.load(model)


class NoAliases(yaml.Dumper):
    """Writes tuples as lists."""

    def ignore_aliases(self, data: object) -> bool:
        return True


NoAliases.add_representer(tuple, yaml.Dumper.represent_list)


@pytest.mark.slow
def test_every_way_to_a_model(run_step: RunStep, tmp_path: Path) -> None:
    """A folder, runs:/, a run id, latest, models:/, a comparison, and the champion to be beaten."""
    trained = run_step("train", registered_model="canary", **SMALL)
    canary = tmp_path / "canary"
    artifacts = local_file_uri_to_path(MlflowClient().get_run(trained.id).info.artifact_uri)
    stored = Path(artifacts) / "best_estimator"
    pickled(stored, canary)
    version = MlflowClient().get_model_version("canary", "1")
    assert version.run_id == trained.id

    ways: list[tuple[str, dict[str, str]]] = [
        ("batch_score", {"model": given})
        for given in (
            *("latest", trained.id, f"runs:/{trained.id}/best_estimator", str(stored)),
            *("models:/canary/1", "models:/canary@champion", "models:/canary/latest"),
        )
    ]
    ways += [("compare", {"runs": trained.id})]
    ways += [
        ("train", {**SMALL, "seed": "1", "registered_model": "canary", "must_beat": "champion"})
    ]
    for step, parameters in ways:
        ended = run_step(step, **parameters)
        assert "format is 'pickle', not skops" in ended.err, (step, parameters)
        assert (ended.code, ended.err.count("\n")) == (2, 1), (step, parameters)
        assert not canary.exists(), (step, parameters)
