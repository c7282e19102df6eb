"""What a search leaves on its run: all that `mlflow.sklearn.autolog` would, decided here.

Names and values are autolog's (mlflow 3.15, mlflow/sklearn/utils.py), so that runs made either
way can be compared; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.utils import estimator_html_repr

from steps.base.record import Record
from steps.model.details import Spread
from steps.model.fitted_search import FittedSearch
from steps.model.fitting import CandidateResult
from steps.model.fold_data import Work
from steps.model.growth import answers_to
from steps.model.task import NEGATIVE
from steps.report.page import metric_title, spread, writer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_PARAMETER = 6000
MOST_CLASSES_IN_PAIRS = 20


def estimator_tags(estimator: Any) -> dict[str, str]:
    """Name the class of an estimator."""
    kind = type(estimator)
    return {
        "estimator_name": kind.__name__,
        "estimator_class": f"{kind.__module__}.{kind.__name__}",
    }


def parameter_texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Write parameters as MLflow keeps them, cut where it would refuse them."""
    return {name: _cut(str(value)) for name, value in parameters.items()}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_PARAMETER else text[: LONGEST_PARAMETER - 3] + "..."


def pipeline_parameters(estimator: Any) -> dict[str, str]:
    """Give all parameters of the pipeline; a child run has them with its candidate's instead."""
    return parameter_texts(estimator.get_params(deep=True))


def candidate_metrics(outcome: CandidateResult) -> dict[str, float]:
    """Give mean and standard deviation over the folds, of times (seconds) and test scores."""
    summary = {}
    for name, scores in outcome.scores.items():
        values = np.array([scores])
        # Row-wise, with the very operations of cv_results_: the last bit depends on them.
        mean = np.average(values, axis=1)
        summary[f"mean_{name}"] = float(mean[0])
        spread = np.average((values - mean[:, np.newaxis]) ** 2, axis=1)
        summary[f"std_{name}"] = float(np.sqrt(spread)[0])
    return summary


def described(name: str, outcome: CandidateResult, metric: str) -> str:
    """Describe a candidate in Markdown: what sets it apart, and its scores, the deciding one first.

    Errors are written without their negative sign.
    """
    scores = {
        title.removeprefix("test_"): folds
        for title, folds in outcome.scores.items()
        if title.startswith("test_")
    }
    ordered = sorted(scores, key=lambda title: title != metric)
    return f"**{name}**: " + ", ".join(_described_score(each, scores[each]) for each in ordered)


def _described_score(scorer: str, folds: Sequence[float]) -> str:
    metric = scorer.removeprefix(NEGATIVE)
    sign = -1 if scorer.startswith(NEGATIVE) else 1
    # A candidate that was ended early has no scores of its last folds.
    values = sign * np.array([score for score in folds if score == score] or [np.nan])
    found = Spread(float(values.mean()), float(values.std()))
    return f"{metric_title(metric)} {spread(found, writer(metric))}"


def candidate_ranks(search: FittedSearch, index: int) -> dict[str, float]:
    """Give the ranks of one candidate, which only the end of the search can tell."""
    return {
        name: float(values[index])
        for name, values in search.cv_results_.items()
        if name.startswith("rank_")
    }


def search_settings(search: FittedSearch, taken: Collection[str]) -> Record:
    """Tell what is known before the first fit: the search and its settings.

    `taken` are parameters that the run has already: `estimator` and a random search's `n_iter`
    are parameters of the step as well.
    """
    described = search.get_params(deep=False)
    own = {name: value for name, value in described.items() if name not in taken}
    return Record(params=parameter_texts(own), tags=estimator_tags(search))


def search_results(search: FittedSearch, work: Work, folder: Path) -> Record:
    """Tell how the search ended; its files are written into `folder`."""
    best = {f"best_{name}": value for name, value in search.best_params_.items()}
    known = answers_to(search.best_estimator_, work.features)
    scores = {"best_cv_score": float(search.best_score_), **training_metrics(search, work, known)}
    pd.DataFrame.from_dict(search.cv_results_).to_csv(folder / "cv_results.csv", index=False)
    (folder / "estimator.html").write_text(_estimator_page(search), encoding="utf-8")
    _draw_training_plots(known, work, folder)
    return Record(params=parameter_texts(best), metrics=scores, files=((folder, ""),))


def training_metrics(search: FittedSearch, work: Work, known: Any) -> dict[str, float]:
    """Score the refitted model on the rows it was trained on, averaged over the classes.

    `known` answers for these rows as the model does.

    High values say little: they are here because autolog logs them.
    """
    labels = work.labels
    predicted = known.predict(work.features)
    if not work.task.classes:
        return _training_errors(search, work, predicted)
    probabilities = known.predict_proba(work.features)
    averaged: dict[str, Any] = {"average": "weighted", "pos_label": None, "zero_division": 0}
    scores = {
        "precision_score": metrics.precision_score(labels, predicted, **averaged),
        "recall_score": metrics.recall_score(labels, predicted, **averaged),
        "f1_score": metrics.f1_score(labels, predicted, **averaged),
        "accuracy_score": metrics.accuracy_score(labels, predicted),
        "log_loss": metrics.log_loss(labels, probabilities),
        "roc_auc": _training_auc(labels, probabilities),
        "score": search.scorer_[search.refit](known, work.features, labels),
    }
    return {f"training_{name}": float(value) for name, value in scores.items()}


def _training_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    classes = probabilities.shape[1]
    if classes == 2:
        return float(metrics.roc_auc_score(labels, probabilities[:, 1], average="weighted"))
    # autolog compares each pair of classes: with 200 of them that are 19,900.
    pairs = "ovo" if classes <= MOST_CLASSES_IN_PAIRS else "ovr"
    return float(
        metrics.roc_auc_score(labels, probabilities, average="weighted", multi_class=pairs)
    )


def _training_errors(search: FittedSearch, work: Work, predicted: np.ndarray) -> dict[str, float]:
    actual = work.labels
    squared = metrics.mean_squared_error(actual, predicted)
    scores = {
        "mean_squared_error": squared,
        "mean_absolute_error": metrics.mean_absolute_error(actual, predicted),
        "r2_score": metrics.r2_score(actual, predicted),
        "root_mean_squared_error": np.sqrt(squared),
        "score": search.score(work.features, actual),
    }
    return {f"training_{name}": float(value) for name, value in scores.items()}


def _estimator_page(search: FittedSearch) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="UTF-8"/></head>\n<body>\n'
        f"{estimator_html_repr(search)}\n</body>\n</html>\n"
    )


def _draw_training_plots(known: Any, work: Work, folder: Path) -> None:
    """Draw what autolog draws of classes; it draws nothing of numbers."""
    if not work.task.classes:
        return
    predicted = known.predict(work.features)

    def confusion(ax: Axes) -> None:
        metrics.ConfusionMatrixDisplay.from_predictions(
            work.labels, predicted, normalize="true", cmap="Blues", ax=ax
        )

    _draw(confusion, "Normalized confusion matrix", folder / "training_confusion_matrix.png")
    if len(work.task.classes) == 2:
        _draw_curves(known, work, folder)


def _draw_curves(known: Any, work: Work, folder: Path) -> None:
    scores = known.predict_proba(work.features)[:, 1]
    curve: dict[str, Any] = {"y_true": work.labels, "pos_label": known.classes_[1]}

    def roc(ax: Axes) -> None:
        metrics.RocCurveDisplay.from_predictions(y_score=scores, ax=ax, **curve)

    def precision_recall(ax: Axes) -> None:
        metrics.PrecisionRecallDisplay.from_predictions(y_score=scores, ax=ax, **curve)

    _draw(roc, "ROC curve", folder / "training_roc_curve.png")
    _draw(
        precision_recall,
        "Precision recall curve",
        folder / "training_precision_recall_curve.png",
    )


def _draw(draw: Callable[[Axes], None], title: str, path: Path) -> None:
    # Late: it takes a quarter of a second, which the search need not wait for.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 8}):
        # Not by way of pyplot: it would keep the figure, and choose a window system.
        figure = Figure()
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        draw(ax)
        ax.set_title(title)
        # The best compression would take as long as the drawing.
        figure.savefig(path, dpi=175, pil_kwargs={"compress_level": 1})
