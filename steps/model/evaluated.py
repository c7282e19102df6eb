"""What evaluating a model found: the numbers that metrics, gate, figures and report share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steps.data.schema import Label
from steps.model.bootstrap import Interval
from steps.model.importances import Importances
from steps.model.threshold import Curves, Rule


@dataclass(frozen=True)
class Scored:
    """A model's probabilities of the held-out rows, its threshold, and its scores."""

    title: str
    probability: np.ndarray
    threshold: float
    scores: Mapping[str, Interval]


# Of a parameter that another grid of the search sets: it is what the pipeline has by itself.
UNSET = "default"


@dataclass(frozen=True)
class Candidate:
    """One combination of a search: its parameters and its scores over the folds."""

    params: Mapping[str, object]
    mean: Mapping[str, float]
    std: Mapping[str, float]


@dataclass(frozen=True)
class Search:
    """The candidates of a search that could be scored, in the order in which they were tried."""

    metric: str
    folds: int
    candidates: tuple[Candidate, ...]
    best: Candidate
    failed: int

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """Names of the parameters of which more than one value was tried."""
        names = dict.fromkeys(name for found in self.candidates for name in found.params)
        return tuple(
            name
            for name in names
            if len({repr(found.params.get(name, UNSET)) for found in self.candidates}) > 1
        )


@dataclass(frozen=True)
class Spread:
    """Mean and deviation of a score over the folds."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.std:.3f}"


@dataclass(frozen=True)
class Details:
    """What only the report needs.

    `folds` has every metric's score over the folds, with decisions at the model's threshold.
    """

    folds: Mapping[str, Spread]
    cross_validated: Curves
    held_out: Curves
    importances: Importances


@dataclass(frozen=True)
class Evaluation:
    """All that was found about one trained model on its held-out rows.

    `gain` is the model's ROC AUC less that of the logistic regression, on the same rows.
    """

    truth: np.ndarray
    classes: tuple[Label, Label]
    model: Scored
    baselines: Mapping[str, Scored]
    gain: Interval
    rule: Rule
    search: Search
    details: Details | None

    @property
    def threshold(self) -> float:
        """The probability from which a row is decided positive."""
        return self.model.threshold

    @property
    def metrics(self) -> dict[str, float]:
        """What is logged to the run."""
        logged = {}
        for name, found in self.model.scores.items():
            logged[f"test_{name}"] = found.value
            logged[f"test_{name}_low"] = found.low
            logged[f"test_{name}_high"] = found.high
        for name, baseline in self.baselines.items():
            logged[f"baseline_{name}_roc_auc"] = baseline.scores["roc_auc"].value
        return logged
