"""What an evaluation says, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from steps.model.metrics import decide
from steps.model.task import LOGISTIC
from steps.report.figures_scores import TITLES

if TYPE_CHECKING:
    from steps.model.bootstrap import Interval
    from steps.model.evaluation import Evaluation, Spread


def findings(evaluation: Evaluation, folds: Mapping[str, Spread]) -> list[str]:
    """Say in order: how good, better than a simple model or not, as promised, what decisions."""
    return [
        _how_good(evaluation),
        gain(evaluation),
        _as_promised(evaluation, folds),
        _decisions(evaluation),
    ]


def interval(found: Interval) -> str:
    """Write a value with its interval."""
    return f"{found.value:.3f} (95 % interval {found.low:.3f} to {found.high:.3f})"


def signed(value: float) -> str:
    """Write a difference with its sign, as a typographer would."""
    return f"{value:+.3f}".replace("-", "−")


def gain(evaluation: Evaluation) -> str:
    """Say what the model adds to a logistic regression."""
    found, simple = evaluation.gain, evaluation.baselines[LOGISTIC].scores["roc_auc"].value
    against = (
        f"A logistic regression on the same rows reaches {simple:.3f}; the difference is "
        f"{signed(found.value)} (95 % interval {signed(found.low)} to {signed(found.high)})"
    )
    if found.low > 0:
        return f"{against}: the forest adds to it."
    if found.high < 0:
        return f"{against}: the simpler model is better."
    return f"{against}: these rows do not tell the two apart."


def threshold(evaluation: Evaluation) -> str:
    """Say where the threshold comes from."""
    used = f"{evaluation.threshold:.3g}"
    if isinstance(evaluation.rule, str):
        name = {"f1": "F1", "youden": "Youden's J (recall less false positive rate)"}
        return (
            f"{used} has the highest {name[evaluation.rule]} on cross-validated predictions of the "
            "training rows. The held-out rows had no part in the choice."
        )
    return f"{used} was given: a row is decided positive from this probability on."


def _how_good(evaluation: Evaluation) -> str:
    rows, positives = len(evaluation.truth), int(evaluation.truth.sum())
    return (
        f"On {rows:,} held-out rows, {positives:,} of them positive, the model's ROC AUC is "
        f"{interval(evaluation.model.scores['roc_auc'])}."
    )


def _as_promised(evaluation: Evaluation, folds: Mapping[str, Spread]) -> str:
    metric = evaluation.search.metric
    promised, held_out = folds[metric], evaluation.model.scores[metric]
    start = f"Cross-validation promised {TITLES[metric]} {promised}"
    if promised.mean > held_out.high:
        return f"{start}: more than the held-out interval allows."
    if promised.mean < held_out.low:
        return f"{start}: less than the held-out interval."
    return f"{start}: inside the held-out interval."


def _decisions(evaluation: Evaluation) -> str:
    truth = evaluation.truth
    decided = decide(evaluation.model.probability, evaluation.threshold)
    found, positives = int((truth & decided).sum()), int(truth.sum())
    right = f"{found} of its {int(decided.sum()):,} positive decisions are right"
    return (
        f"At threshold {evaluation.threshold:.3g} it finds {found:,} of {positives:,} positives "
        f"({found / positives:.0%}), and {right}."
    )
