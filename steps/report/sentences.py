"""What an evaluation says, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.model.baselines import LOGISTIC
from steps.model.metrics import decide
from steps.report.page import interval_in_words, metric_title, score, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steps.model.details import Spread
    from steps.model.evaluation import Evaluation

_RULES = {"f1": "F1", "youden": "Youden's J (recall less false positive rate)"}


def key_findings(evaluation: Evaluation, folds: Mapping[str, Spread]) -> list[str]:
    """Say in order: how good, better than a simple model or not, as promised, what decisions."""
    return [
        _how_good(evaluation),
        _gain(evaluation),
        _as_promised(evaluation, folds),
        _decisions(evaluation),
    ]


def threshold_origin(evaluation: Evaluation) -> str:
    """Say where the threshold comes from."""
    used = f"{evaluation.threshold:.3g}"
    if isinstance(evaluation.rule, str):
        return (
            f"{used} has the highest {_RULES[evaluation.rule]} on cross-validated predictions of "
            "the training rows. The held-out rows had no part in the choice."
        )
    return f"{used} was given: a row is decided positive from this probability on."


def _how_good(evaluation: Evaluation) -> str:
    rows, positives = len(evaluation.truth), int(evaluation.truth.sum())
    return (
        f"On {rows:,} held-out rows, {positives:,} of them positive, the model's ROC AUC is "
        f"{interval_in_words(evaluation.model.scores['roc_auc'])}."
    )


def _gain(evaluation: Evaluation) -> str:
    gain, simple = evaluation.gain, evaluation.baselines[LOGISTIC].scores["roc_auc"].value
    against = (
        f"A logistic regression on the same rows reaches {score(simple)}; the difference is "
        f"{interval_in_words(gain, signed)}"
    )
    if gain.low > 0:
        return f"{against}: the model adds to it."
    if gain.high < 0:
        return f"{against}: the simpler model is better."
    return f"{against}: these rows do not tell the two apart."


def _as_promised(evaluation: Evaluation, folds: Mapping[str, Spread]) -> str:
    metric = evaluation.search.metric
    promised, held_out = folds[metric], evaluation.model.scores[metric]
    start = f"Cross-validation promised {metric_title(metric)} {promised}"
    if promised.mean > held_out.high:
        return f"{start}: more than the held-out interval allows."
    if promised.mean < held_out.low:
        return f"{start}: less than the held-out interval."
    return f"{start}: inside the held-out interval."


def _decisions(evaluation: Evaluation) -> str:
    truth = evaluation.truth
    decided = decide(evaluation.model.probability, evaluation.threshold)
    right, positives = int((truth & decided).sum()), int(truth.sum())
    return (
        f"At threshold {evaluation.threshold:.3g} it finds {right:,} of {positives:,} positives "
        f"({right / positives:.0%}), and {right:,} of its {int(decided.sum()):,} positive "
        "decisions are right."
    )
