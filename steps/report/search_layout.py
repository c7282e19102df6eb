"""What is shown of a search: which candidates, under which names, in which figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from steps.model.estimators import AVERAGE, BOOSTING, EXTRA_TREES, FOREST, LINEAR
from steps.model.fitted_search import UNSET
from steps.model.pipeline import CLF
from steps.model.task import NEGATIVE
from steps.report.page import metric_title, writer

if TYPE_CHECKING:
    from steps.model.fitted_search import ScoredCandidate, SearchSummary

MOST_CANDIDATES = 20
# More lines than this hide one another, and make the page heavy.
MOST_LINES = 300
# More values of a parameter than this are not a heat map, and not all are written on an axis.
MOST_VALUES = 12
LONGEST, LONGEST_WIDE = 34, 90

Kind = Literal["nothing", "line", "heat map", "parallel", "families"]
FAMILY_NAMES = {
    FOREST: "random forest",
    EXTRA_TREES: "extra trees",
    BOOSTING: "histogram boosting",
    LINEAR: "linear",
    AVERAGE: "average of all",
}

_CAPTIONS: dict[Kind, str] = {
    "nothing": "",
    "line": "Mean and spread over the folds; the chosen value is orange.",
    "heat map": "The stronger the shade the better; the chosen one is framed.",
    "families": "Each dot is a candidate; the chosen one is orange.",
    "parallel": "Each line is a candidate, the stronger the better; the chosen one is orange.",
}


def kind(search: SearchSummary) -> Kind:
    """Choose the figure by what was varied.

    Several families of estimators: each one's scores. One parameter: its values against the
    score. Two: a heat map. More, or too many values for a heat map: parallel coordinates.
    """
    varied = search.varied
    if CLF in varied:
        return "families"
    if len(varied) < 2:
        return "line" if varied else "nothing"
    if len(varied) == 2 and all(len(values(search, name)) <= MOST_VALUES for name in varied):
        return "heat map"
    return "parallel"


def caption(search: SearchSummary) -> str:
    """Say how to read the figure of the hyper-parameters."""
    chosen, count = kind(search), len(search.candidates)
    left_out = chosen == "parallel" and count > MOST_LINES
    return _CAPTIONS[chosen] + (f" The best {MOST_LINES} of {count:,}." if left_out else "")


def candidates_note(search: SearchSummary) -> str:
    """Say which candidates are named, if not all."""
    count = len(search.candidates)
    if count <= MOST_CANDIDATES:
        return ""
    return f"Above, all {count:,} by rank; below, the best {MOST_CANDIDATES}."


def ranked(search: SearchSummary) -> list[ScoredCandidate]:
    """Candidates from the best to the worst mean score."""
    return sorted(search.candidates, key=lambda c: -c.mean[search.metric])


def family(candidate: ScoredCandidate) -> str:
    """Name the family of a candidate of several; "" if there is only one."""
    name = str(candidate.params.get(CLF, ""))
    return FAMILY_NAMES.get(name, name)


def descriptions(search: SearchSummary, shown: Sequence[ScoredCandidate]) -> list[str]:
    """Name candidates by the values of what was varied, within their family if there are more."""
    if CLF not in search.varied:
        names = search.varied or tuple(search.best.params)
        return [_described(one, names) for one in shown]
    varied = {name: _varied_in(search, name) for name in {family(one) for one in shown}}
    return [
        ", ".join(filter(None, (family(one), _described(one, _own(one, varied[family(one)])))))
        for one in shown
    ]


def _own(candidate: ScoredCandidate, names: Sequence[str]) -> list[str]:
    # A family's candidates are made one by one, not from one grid: each has a few of these.
    return [name for name in names if name in candidate.params]


def _described(candidate: ScoredCandidate, names: Sequence[str]) -> str:
    values_of = ((name, candidate.params.get(name, UNSET)) for name in names)
    return ", ".join(f"{short(name)} {value_text(value)}" for name, value in values_of)


def _varied_in(search: SearchSummary, name: str) -> tuple[str, ...]:
    members = tuple(one for one in search.candidates if family(one) == name)
    return tuple(each for each in replace(search, candidates=members).varied if each != CLF)


def shown_score(search: SearchSummary, candidate: ScoredCandidate) -> float:
    """Return a candidate's mean score; an error is shown without its negative sign."""
    mean = candidate.mean[search.metric]
    return -mean if search.metric.startswith(NEGATIVE) else mean


def score_text(search: SearchSummary, value: float) -> str:
    """Write a score of the search."""
    return writer(metric_of(search))(value)


def metric_of(search: SearchSummary) -> str:
    """Name the metric that chose the best candidate."""
    return search.metric.removeprefix(NEGATIVE)


def axis_title(search: SearchSummary) -> str:
    """Name the axis of the score."""
    less = " (lower is better)" if search.metric.startswith(NEGATIVE) else ""
    return metric_title(metric_of(search)) + less


def is_wide(search: SearchSummary) -> bool:
    """Whether the figures of the search need the page's whole width."""
    named = descriptions(search, ranked(search)[:MOST_CANDIDATES])
    return kind(search) == "parallel" or max(map(len, named)) > LONGEST


def short(name: str) -> str:
    """`clf__max_depth` is read as `max_depth`, and `clf` itself is the estimator."""
    return "estimator" if name == CLF else name.rpartition("__")[2]


def value_text(value: object) -> str:
    """Write a hyper-parameter's value; numbers are kept short."""
    if value is None:
        return "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def values(search: SearchSummary, name: str) -> list[object]:
    """List the tried values of a parameter: numbers, others, and None (no limit) last."""
    tried = (candidate.params.get(name, UNSET) for candidate in search.candidates)
    found = {repr(value): value for value in tried}

    def order(value: object) -> tuple[int, float, str]:
        if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
            return 0, float(value), ""
        return (2 if value is None else 1), 0.0, str(value)

    return sorted(found.values(), key=order)


def places(search: SearchSummary, name: str) -> Callable[[ScoredCandidate], int]:
    """Give the function that finds a candidate's place among the values of a parameter."""
    # By its text: True and 1 are different values, and not every value can be a key.
    place = {repr(value): position for position, value in enumerate(values(search, name))}
    return lambda candidate: place[repr(candidate.params.get(name, UNSET))]
