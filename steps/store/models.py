"""The model of a train run: saved as the artifact `best_estimator`, loaded from anywhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow.sklearn
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType
from mlflow.types import Schema as ColumnSchema

from steps.base.errors import StepError
from steps.base.record import Record
from steps.data.schema import Schema

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from steps.store.runs import StepRun

BEST_ESTIMATOR = "best_estimator"
# The name that mlflow.sklearn gives to a model saved with skops.
MODEL_FILE = "model.skops"

# The reviewed classes of scikit-learn that a model may consist of, and what their files hold beside
# them: a tree's arrays and an imputer's dtype. A type that is not listed makes saving fail.
ESTIMATORS = (
    "sklearn.compose._column_transformer.ColumnTransformer",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.impute._base.SimpleImputer",
    "sklearn.pipeline.Pipeline",
    "sklearn.tree._classes.DecisionTreeClassifier",
)
TRUSTED_TYPES = ["numpy.dtype", "sklearn.tree._tree.Tree"]

REQUIREMENTS = ("mlflow", "scikit-learn", "skops", "numpy", "pandas")


def signature(schema: Schema) -> ModelSignature:
    """Describe the model's columns: features are doubles, so a missing value is accepted."""
    output = {bool: DataType.boolean, int: DataType.long, str: DataType.string}
    return ModelSignature(
        inputs=ColumnSchema([ColSpec(DataType.double, name) for name in schema.features]),
        outputs=ColumnSchema([ColSpec(output[type(schema.positive)])]),
    )


def log_best_estimator(
    pipeline: Pipeline, schema: Schema, metadata: dict[str, Any], run: StepRun, folder: Path
) -> None:
    """Save the fitted pipeline under `folder` and log it as the run's `best_estimator`.

    Saved and logged in two calls: MLflow 3's `log_model` needs an API that Azure ML does not
    have, and it infers in a child process the requirements that are known here.
    """
    target = folder / BEST_ESTIMATOR
    _import_skops()
    mlflow.sklearn.save_model(
        pipeline,
        str(target),
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        signature=signature(schema),
        metadata=metadata,
        mlflow_model=Model(artifact_path=BEST_ESTIMATOR, run_id=run.id),
    )
    run.log(Record(files=((target, BEST_ESTIMATOR),)))


@dataclass(frozen=True)
class LoadedModel:
    """A fitted estimator with what its `MLmodel` file says of it."""

    estimator: Any
    metadata: dict[str, Any]
    schema: Schema


def load(folder: Path) -> LoadedModel:
    """Load a model of this project from a local folder."""
    described = Model.load(str(folder))
    metadata: dict[str, Any] = described.metadata or {}
    if "schema" not in metadata:
        raise StepError(
            f"expected a model that train has logged, found one without its schema in {folder}; "
            "score it with mlflow models predict"
        )
    schema = Schema.from_dict(metadata["schema"])
    _import_skops()
    return LoadedModel(mlflow.sklearn.load_model(str(folder)), metadata, schema)


def _import_skops() -> None:
    """Import skops without all of scikit-learn.

    When it is imported, skops 0.16 calls `all_estimators`, which imports every module of
    scikit-learn, for the names of classes that need no trust: 0.75 to 1.1 s, against 0.15 s with
    the names of this project's own, longer than anything else before the first row is scored.
    Nothing public avoids it: neither `trusted=` nor a part of `skops.io` is reached before that.
    """
    if "skops.io" in sys.modules:
        return
    import sklearn.utils

    # Only their names count: importing the classes would cost what this is to save.
    named = [_stand_in(*path.rsplit(".", 1)) for path in ESTIMATORS]
    all_estimators = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = lambda: [(kind.__name__, kind) for kind in named]
    try:
        import skops.io  # noqa: F401
    finally:
        sklearn.utils.all_estimators = all_estimators


def _stand_in(module: str, name: str) -> type:
    return type(name, (), {"__module__": module})
