"""What a model predicts of its held-out rows, and how well: what later rows are compared with.

Training writes it into the model's metadata, and scoring copies it to its run, so that nothing
has to be looked up to tell whether a scored table is as expected.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.base import shapes
from steps.base.errors import StepError, first_line
from steps.base.record import metric_name
from steps.data.schema import BINARY, REGRESSION
from steps.model.metrics import decide

if TYPE_CHECKING:
    from steps.model.evaluation import Evaluation, Trained

# Of many classes, those that the model predicts most.
MOST_CLASSES = 5
# Bins of equally many rows in which probabilities are compared with what came true.
CALIBRATION_BINS = 10
FEWEST_ROWS = 100
# More rows make a mean no better than a scored table can be held against.
MOST_ROWS = 100_000
# An average gap of this size moves no score by much, however many rows show it.
SMALL_GAP = 0.02
NORMAL_95_ONE_SIDED = 1.6448536269514722


@dataclass(frozen=True)
class Level:
    """A mean over rows: its name in a scoring run, its value, the rows' deviation, their number."""

    name: str
    value: float
    spread: float
    rows: int

    @property
    def is_share(self) -> bool:
        """Whether it is the share of the rows that something holds for."""
        return "rate" in self.name or "share" in self.name


@dataclass(frozen=True)
class ReferenceScore:
    """A score on the held-out rows, with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Reference:
    """What is expected of scored rows that are like the training rows.

    `levels` are of predictions, `labels` of the target; `scores` are two that later ones are held
    against. `uncalibrated` says why probabilities are no estimate of what comes true; it is ""
    if they are.
    """

    levels: tuple[Level, ...]
    labels: tuple[Level, ...]
    scores: tuple[ReferenceScore, ...]
    uncalibrated: str

    def to_json(self) -> dict[str, Any]:
        """Return the content for a model's metadata."""
        content: dict[str, Any] = json.loads(self.to_text())
        return content

    def to_text(self) -> str:
        """Write it as short as a tag needs it."""
        return json.dumps(_rounded(asdict(self)), separators=(",", ":"))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Reference:
        """Read the output of `to_json`; raises StepError if it has another shape."""
        shapes.check(cls, content, "reference")
        return cls(
            levels=tuple(Level(**each) for each in content["levels"]),
            labels=tuple(Level(**each) for each in content["labels"]),
            scores=tuple(ReferenceScore(**each) for each in content["scores"]),
            uncalibrated=content["uncalibrated"],
        )

    @classmethod
    def from_text(cls, text: str) -> Reference:
        """Read the output of `to_text`."""
        try:
            return cls.from_json(json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise StepError(f"expected a reference in JSON, found {first_line(error)}") from error


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _rounded(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return float(f"{content:.6g}") if isinstance(content, float) else content


def reference(evaluation: Evaluation, trained: Trained) -> Reference:
    """Take from an evaluation what later rows are to be compared with."""
    predicted, truth, task = evaluation.model.predicted, evaluation.truth, trained.schema.task
    second = "mae" if task == REGRESSION else "accuracy"
    scores = tuple(
        ReferenceScore(name, held.value, held.low, held.high)
        for name, held in evaluation.model.scores.items()
        if name in (evaluation.main, second)
    )
    labels = trained.train[trained.schema.target].to_numpy()
    # Means are known from the training rows too: a model that fits these too closely errs on
    # other rows in either direction, but not on average. Decisions and scores are not.
    known = np.concatenate([evaluation.task.truth(labels), truth])
    if task == REGRESSION:
        levels = (_mean_of_all("mean_prediction", predicted, trained),)
        return Reference(levels, (_mean("label_mean", known),), scores, "it predicts numbers")
    if task == BINARY:
        decided = decide(predicted, evaluation.threshold)
        return Reference(
            levels=(
                _mean_of_all("mean_probability", predicted, trained),
                _mean("predicted_positive_rate", decided),
            ),
            labels=(_mean("label_positive_rate", known),),
            scores=scores,
            uncalibrated=miscalibration(truth, predicted),
        )
    classes = predicted.argmax(axis=1)
    most = [place for place, _ in Counter(classes.tolist()).most_common(MOST_CLASSES)]
    return Reference(
        levels=tuple(
            _mean(metric_name(f"predicted_share.{evaluation.classes[place]}"), classes == place)
            for place in most
        ),
        labels=(),
        scores=scores,
        uncalibrated=miscalibration(truth == classes, predicted.max(axis=1)),
    )


def _mean(name: str, values: np.ndarray) -> Level:
    numbers = np.asarray(values, dtype=float)
    return Level(name, float(numbers.mean()), float(numbers.std()), len(numbers))


def _mean_of_all(name: str, predicted: np.ndarray, trained: Trained) -> Level:
    """Take the mean of predictions over the training rows as well; the spread of the others."""
    rows = trained.train
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=trained.seed)
    features = rows[list(trained.schema.features)]
    both = np.concatenate([trained.task.predict(trained.estimator, features), predicted])
    return Level(name, float(both.mean()), float(predicted.std()), len(both))


def miscalibration(truth: np.ndarray, probability: np.ndarray) -> str:
    """Say why probabilities do not tell how often they come true; "" if they do.

    In bins of equally many rows, the mean probability is compared with the share that came true.
    The average gap must be small, or no larger than chance gives calibrated probabilities in 95
    of 100 cases (each bin's gap is then about normal, and its absolute value half-normal).
    """
    if len(truth) < FEWEST_ROWS:
        return f"it was tested on {len(truth):,} rows, too few to tell"
    order = np.argsort(probability, kind="stable")
    bins = np.array_split(order, CALIBRATION_BINS)
    weights = np.array([len(rows) / len(truth) for rows in bins])
    gaps = np.array([abs(truth[rows].mean() - probability[rows].mean()) for rows in bins])
    variances = [float(np.mean(probability[rows] * (1 - probability[rows]))) for rows in bins]
    errors = np.sqrt([v / len(rows) for v, rows in zip(variances, bins, strict=True)])
    mean = float(weights @ errors) * np.sqrt(2 / np.pi)
    deviation = np.sqrt(float(weights**2 @ errors**2) * (1 - 2 / np.pi))
    gap, limit = float(weights @ gaps), mean + NORMAL_95_ONE_SIDED * deviation
    if gap <= max(SMALL_GAP, limit):
        return ""
    return (
        f"on its held-out rows the probabilities are off by {gap:.3f} on average, more than the "
        f"{max(SMALL_GAP, limit):.3f} of calibrated ones"
    )
