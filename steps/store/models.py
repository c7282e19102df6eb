"""Save the model of a train run as the artifact `best_estimator`; load it from anywhere."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType
from mlflow.types import Schema as ColumnSchema

from steps.base import shapes
from steps.base.errors import StepError, first_line
from steps.base.record import Record
from steps.data.profile import LARGEST
from steps.data.schema import BINARY, Schema
from steps.model import tree_nodes
from steps.model.conformal import Conformal
from steps.model.reference import Reference
from steps.store import model_file, model_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sklearn.pipeline import Pipeline

    from steps.store.runs import StepRun

BEST_ESTIMATOR = "best_estimator"

# The reviewed classes of scikit-learn that a model may consist of, and the other types in their
# files: an imputer's dtype, the arrays of trees and of histogram boosting's trees, a target
# encoder's folds (three numbers), and the dictionary of an average's members. Saving fails for
# any type that is not listed.
ESTIMATORS = (
    "sklearn.compose._column_transformer.ColumnTransformer",
    "sklearn.ensemble._forest.ExtraTreesClassifier",
    "sklearn.ensemble._forest.ExtraTreesRegressor",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._forest.RandomForestRegressor",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
    "sklearn.ensemble._voting.VotingClassifier",
    "sklearn.ensemble._voting.VotingRegressor",
    "sklearn.impute._base.SimpleImputer",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.linear_model._ridge.Ridge",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._encoders.OneHotEncoder",
    "sklearn.preprocessing._encoders.OrdinalEncoder",
    # What `passthrough` becomes when it is fitted.
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.preprocessing._target_encoder.TargetEncoder",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._classes.DecisionTreeRegressor",
    "sklearn.tree._classes.ExtraTreeClassifier",
    "sklearn.tree._classes.ExtraTreeRegressor",
)
TRUSTED_TYPES = [
    "numpy.dtype",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
]

REQUIREMENTS = ("mlflow", "scikit-learn", "skops", "numpy", "pandas")


def signature(schema: Schema) -> ModelSignature:
    """Describe what the model predicts, but not its input: see the input example for that.

    mlflow 3.15 casts no whole numbers (int64) to the doubles of a signature, and refuses the rows
    instead (`_enforce_mlflow_datatype`). A table whose numbers are whole would never be served.
    """
    kinds = {bool: DataType.boolean, int: DataType.long, str: DataType.string}
    output = kinds[type(schema.classes[0])] if schema.classes else DataType.double
    return ModelSignature(outputs=ColumnSchema([ColSpec(output)]))


def log_best_estimator(
    pipeline: Pipeline,
    schema: Schema,
    metadata: dict[str, Any],
    example: Mapping[str, float | str | None],
    run: StepRun,
    folder: Path,
) -> None:
    """Save the fitted pipeline under `folder` and log it as the run's `best_estimator`.

    Saving and logging are two calls: MLflow 3's `log_model` needs an API that Azure ML lacks,
    and starts a child process to infer the requirements, which are known here.
    """
    target = folder / BEST_ESTIMATOR
    save(pipeline, schema, metadata, run.id, target, example)
    run.log(Record(files=((target, BEST_ESTIMATOR),)))


def save(
    pipeline: Pipeline,
    schema: Schema,
    metadata: dict[str, Any],
    run_id: str,
    target: Path,
    example: Mapping[str, float | str | None] | None = None,
) -> None:
    """Save a fitted pipeline as an MLflow model in a new folder that `load` can read.

    `example` is a row of features that shows what a request looks like.
    """
    _import_skops()
    described = Model(
        artifact_path=BEST_ESTIMATOR,
        run_id=run_id,
        signature=signature(schema),
        metadata=metadata,
    )
    requirements = [f"{name}=={version(name)}" for name in REQUIREMENTS]
    model_folder.write(pipeline, described, requirements, TRUSTED_TYPES, target, example)
    model_file.check_written(target, (*ESTIMATORS, *TRUSTED_TYPES))


@dataclass(frozen=True)
class LoadedModel:
    """A fitted estimator with the metadata of its `MLmodel` file."""

    estimator: Any
    metadata: dict[str, Any]
    schema: Schema

    @property
    def reference(self) -> Reference | None:
        """What it predicted of its held-out rows; None if an earlier version trained it."""
        content = self.metadata.get("reference")
        return None if content is None else Reference.from_json(content)


@dataclass(frozen=True)
class _Metadata:
    """What `train` writes about a model besides its schema."""

    train_run_id: str
    preprocess_run_id: str
    threshold: float | None = None


def load(folder: Path) -> LoadedModel:
    """Load a model of this project from a local folder, whoever wrote it (see `model_file`)."""
    metadata = model_file.read_mlmodel(folder)
    if "schema" not in metadata:
        raise model_file.refused(folder, "one without its schema")
    try:
        schema = Schema.from_dict(metadata["schema"])
        _check_metadata(metadata, schema)
    except StepError as error:
        raise model_file.refused(folder, f"metadata of another shape ({error})") from error
    _import_skops()
    estimator = model_file.read_estimator(folder, (*ESTIMATORS, *TRUSTED_TYPES))
    if f"{type(estimator).__module__}.{type(estimator).__name__}" not in ESTIMATORS:
        raise model_file.refused(folder, f"a {type(estimator).__name__} where an estimator belongs")
    if not tree_nodes.are_sound(estimator):
        raise model_file.refused(folder, "trees whose nodes lead nowhere")
    try:
        _try_out(estimator, schema)
    # What does not fit together can raise anything.
    except Exception as error:
        raise model_file.refused(
            folder, f"an estimator that cannot predict what its schema says ({first_line(error)})"
        ) from error
    return LoadedModel(estimator, metadata, schema)


def _try_out(estimator: Any, schema: Schema) -> None:
    """Predict a row of zeros and of texts never seen; raise an error if that gives no answer."""
    features = getattr(estimator, "n_features_in_", len(schema.features))
    if features != len(schema.features):
        raise ValueError(f"it takes {features} features")
    if hasattr(estimator, "predict_proba") != bool(schema.classes):
        raise ValueError("one of them has classes, the other numbers")
    cells: dict[str, Any] = {
        name: [""] if name in schema.categories else [0.0] for name in schema.features
    }
    row = pd.DataFrame(cells)
    if not schema.classes:
        answer = estimator.predict(row)
    elif set(estimator.classes_) != set(schema.classes):
        raise ValueError("it has other classes")
    else:
        answer = estimator.predict_proba(row)
    shape = (1, len(schema.classes)) if schema.classes else (1,)
    if np.shape(answer) != shape or not np.isfinite(answer).all():
        raise ValueError(f"its answer to one row is {str(answer)[:40]}")


def _check_metadata(metadata: dict[str, Any], schema: Schema) -> None:
    shapes.check(_Metadata, metadata, "metadata")
    for name in ("train_run_id", "preprocess_run_id"):
        # These ids become folder names and parts of requests.
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,254}", metadata[name], re.ASCII):
            raise StepError(f"expected the id of a run as {name}, found another text")
    threshold = metadata.get("threshold")
    if not 0 <= (0.0 if threshold is None else threshold) <= 1:
        raise StepError(f"expected a threshold from 0 to 1, found {threshold}")
    if threshold is None and schema.task == BINARY:
        raise StepError("expected a threshold, found none")
    if "reference" in metadata:
        Reference.from_json(metadata["reference"])
    versions = metadata.get("versions", {})
    if "conformal" in metadata:
        shapes.check(Conformal, metadata["conformal"], "metadata.conformal")
        learnt = Conformal.from_json(metadata["conformal"])
        if len(learnt.levels) != len(learnt.quantiles) or not all(
            0 <= width <= LARGEST for width in learnt.quantiles
        ):
            raise StepError("expected a finite width for each level of conformal, found others")
    if not isinstance(versions, dict) or not all(isinstance(v, str) for v in versions.values()):
        raise StepError("expected a mapping of texts as versions, found another value")


def untrusted_types(estimator: Any) -> list[str]:
    """Name the types of an estimator that would make saving it fail."""
    _import_skops()
    import skops.io

    try:
        types = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    except RecursionError:
        # skops 0.16 recurses on a scorer, which histogram boosting keeps if `scoring` names one.
        return ["what refers to itself (such as a scorer)"]
    return sorted(set(types) - set(TRUSTED_TYPES))


def _import_skops() -> None:
    """Import skops without all of scikit-learn.

    On import, skops 0.16 calls `all_estimators`, which imports every module of scikit-learn, to
    name the classes that need no trust. That takes 0.75 to 1.1 s, longer than anything else before
    the first row is scored; with the names of this project's classes it takes 0.15 s. No public
    option avoids it: neither `trusted=` nor any part of `skops.io` is reached before that.
    """
    if "skops.io" in sys.modules:
        return
    import sklearn.utils

    # Only the names matter: importing the classes would cost the time that this saves.
    named = [_stand_in(*path.rsplit(".", 1)) for path in ESTIMATORS]
    all_estimators = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = lambda: [(kind.__name__, kind) for kind in named]
    try:
        import skops.io  # noqa: F401
    finally:
        sklearn.utils.all_estimators = all_estimators


def _stand_in(module: str, name: str) -> type:
    return type(name, (), {"__module__": module})
