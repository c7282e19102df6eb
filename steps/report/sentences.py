"""What an evaluation says, in sentences."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from steps.model.conformal import MEASURED
from steps.model.metrics import decide
from steps.report.page import (
    amount,
    interval_in_words,
    metric_title,
    score,
    signed,
    spread,
    writer,
)
from steps.report.search_layout import metric_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steps.model.details import MulticlassDetails, Spread
    from steps.model.evaluation import Evaluation
    from steps.report.multiclass_part import Confusion

_RULES = {"f1": "F1", "youden": "Youden's J (recall less false positive rate)"}


def threshold_origin(evaluation: Evaluation) -> str:
    """Say where the threshold comes from."""
    used = f"{evaluation.threshold:.3g}"
    if isinstance(evaluation.rule, str):
        return (
            f"{used} has the highest {_RULES[evaluation.rule]} on cross-validated predictions of "
            "the training rows. The held-out rows had no part in the choice."
        )
    return f"{used} was given: from this probability on, a row counts as positive."


def how_positive(evaluation: Evaluation) -> str:
    """Say how well two classes are told apart."""
    rows, positives = len(evaluation.truth), int(evaluation.truth.sum())
    return (
        f"On {rows:,} held-out rows, {positives:,} of them positive, the model's ROC AUC is "
        f"{interval_in_words(evaluation.model.scores['roc_auc'])}."
    )


def how_right(evaluation: Evaluation) -> str:
    """Say how well many classes are told apart."""
    scores = evaluation.model.scores
    return (
        f"On {len(evaluation.truth):,} held-out rows of {len(evaluation.classes):,} classes, the "
        f"model's mean ROC AUC is {interval_in_words(scores['roc_auc'])}; it gets "
        f"{scores['accuracy'].value:.1%} of the rows right, and on average "
        f"{scores['balanced_accuracy'].value:.1%} of a class's rows."
    )


def classes_apart(details: MulticlassDetails, worst: Confusion | None) -> list[str]:
    """Say which class is found least, and which two are confused most often."""
    found = min((one for one in details.each if one.rows), key=lambda one: one.recall)
    said = [
        f"Its weakest class is {found.label}: it finds {round(found.recall * found.rows):,} of "
        f"{found.rows:,} rows ({found.recall:.0%})."
    ]
    if worst is None:
        return ["It mistakes no row for another class."]
    said.append(
        f"Its most frequent mistake is {worst.actual} predicted as {worst.predicted}: "
        f"{_rows(worst.rows)}, {worst.share:.0%} of that class."
    )
    without = sum(not one.rows for one in details.each)
    if without:
        have = "class has" if without == 1 else "classes have"
        said.append(f"{without:,} {have} no held-out row, and so no score.")
    return said


def how_near(evaluation: Evaluation) -> str:
    """Say how much of the numbers' variance is explained."""
    return (
        f"On {len(evaluation.truth):,} held-out rows the model's R² is "
        f"{interval_in_words(evaluation.model.scores['r2'])}: "
        f"{_share_explained(evaluation.model.scores['r2'].value)}."
    )


def _share_explained(r2: float) -> str:
    if r2 <= 0:
        return "no better than always predicting the mean of these rows"
    return f"it explains {r2:.0%} of the variance"


def how_far_off(evaluation: Evaluation, target: str) -> str:
    """Say how large the errors are."""
    scores = evaluation.model.scores
    constant = next(name for name in evaluation.baselines if name != evaluation.simple)
    return (
        f"Half of its predictions of {target} are off by less than "
        f"{amount(scores['median_absolute_error'].value)}; the average error is "
        f"{amount(scores['mae'].value)}, against "
        f"{amount(evaluation.baselines[constant].scores['mae'].value)} if the mean of the "
        "training rows is predicted."
    )


def intervals(coverage: float | None, half_width: float | None) -> list[str]:
    """Say how wide prediction intervals are, and what they held."""
    if coverage is None or half_width is None:
        return []
    return [
        f"The {MEASURED:.0%} prediction interval is the prediction ±\u00a0{amount(half_width)}; it "
        f"holds {coverage:.1%} of the held-out rows."
    ]


def against_others(evaluation: Evaluation, folds: Mapping[str, Spread]) -> list[str]:
    """Say whether the model is better than a linear one, and as cross-validation promised."""
    return [_gain(evaluation), *_as_promised(evaluation, folds)]


def _gain(evaluation: Evaluation) -> str:
    gain, simple = evaluation.gain, evaluation.baselines[evaluation.simple]
    against = (
        f"A {simple.title.lower()} on the same rows reaches "
        f"{score(simple.scores[evaluation.main].value)}; the difference is "
        f"{interval_in_words(gain, signed)}"
    )
    if gain.low > 0:
        return f"{against}: the model is better."
    if gain.high < 0:
        return f"{against}: the simpler model is better."
    return f"{against}: these rows do not tell the two apart."


def _as_promised(evaluation: Evaluation, folds: Mapping[str, Spread]) -> list[str]:
    metric = metric_of(evaluation.search)
    promised, held_out = folds[metric], evaluation.model.scores[metric]
    if isnan(promised.mean) or isnan(held_out.value):
        return []
    start = f"Cross-validation promised {metric_title(metric)} {spread(promised, writer(metric))}"
    if promised.mean > held_out.high:
        return [f"{start}: more than the held-out interval allows."]
    if promised.mean < held_out.low:
        return [f"{start}: less than the held-out interval."]
    return [f"{start}: inside the held-out interval."]


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def decisions(evaluation: Evaluation) -> str:
    """Say what the decisions between two classes are worth."""
    truth = evaluation.truth
    decided = decide(evaluation.model.probability, evaluation.threshold)
    right, positives = int((truth & decided).sum()), int(truth.sum())
    return (
        f"At threshold {evaluation.threshold:.3g} it finds {right:,} of {positives:,} positives "
        f"({right / positives:.0%}), and {right:,} of its {int(decided.sum()):,} positive "
        "decisions are right."
    )
