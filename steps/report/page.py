"""What all pages have in common: colours, names of metrics, numbers as text, templates."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment

    from steps.model.bootstrap import Interval
    from steps.model.details import Spread

REPORT = "report.html"
# CSS variable: light, dark. Figures are drawn in the light colours. Blue, orange and purple stay
# apart for the colour-blind; grey is for what is there to compare.
COLOURS = {
    "paper": ("#ffffff", "#15181c"),
    "ink": ("#1c2128", "#e4e8ec"),
    "muted": ("#5b6672", "#9aa5b1"),
    "line": ("#dde2e8", "#2f353c"),
    "soft": ("#f5f7f9", "#1c2025"),
    "model": ("#1a66c2", "#69acf5"),
    "second": ("#c8590b", "#f2995c"),
    "third": ("#7a4fb5", "#b99bea"),
    "fourth": ("#1b7f5c", "#5cc69c"),
    "fifth": ("#b0316f", "#ec82b4"),
    "grey": ("#8a94a0", "#7d8894"),
    "good": ("#1b7f3b", "#5fc97f"),
    "bad": ("#b3261e", "#ff8a80"),
}
SERIES = ("model", "second", "third", "fourth", "fifth")
METRIC_TITLES = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "accuracy": "Accuracy",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "balanced_accuracy": "Balanced accuracy",
    "r2": "R²",
    "mae": "MAE",
    "rmse": "RMSE",
    "median_absolute_error": "Median error",
}
# Errors in the unit of the target, of any size.
ERRORS = ("mae", "rmse", "median_absolute_error")
NONE = "–"


def metric_title(metric: str) -> str:
    """Name a metric; one without a title has its own name."""
    return METRIC_TITLES.get(metric, metric)


def score(value: float) -> str:
    """Write a score; one that cannot be computed is a dash."""
    return NONE if math.isnan(value) else f"{value:.3f}".replace("-", "−")


def signed(value: float) -> str:
    """Write a difference with its sign, as a typographer would."""
    return NONE if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def amount(value: float) -> str:
    """Write a number of any size with three digits at least: 0.0123, 12.3, 12,345."""
    if math.isnan(value):
        return NONE
    size = math.floor(math.log10(abs(value))) if value else 0
    if not -5 <= size < 15:
        return f"{value:.3e}".replace("-", "−")
    return f"{value:,.{max(0, 2 - size)}f}".replace("-", "−")


def signed_amount(value: float) -> str:
    """Write a difference of numbers of any size with its sign."""
    return f"{'+' if value > 0 else ''}{amount(value)}"


def writer(metric: str) -> Callable[[float], str]:
    """Return the function that formats a metric's values."""
    return amount if metric in ERRORS else score


def signed_writer(metric: str) -> Callable[[float], str]:
    """Return the function that formats differences of a metric."""
    return signed_amount if metric in ERRORS else signed


def spread(found: Spread, number: Callable[[float], str] = score) -> str:
    """Write mean and deviation of a score over the folds."""
    return f"{number(found.mean)} ± {number(found.std)}"


def brackets(interval: Interval, number: Callable[[float], str] = score) -> str:
    """Write the ends of an interval; a value that does not vary has none."""
    if interval.low == interval.high or math.isnan(interval.low):
        return ""
    return f"[{number(interval.low)}, {number(interval.high)}]"


def with_interval(interval: Interval, number: Callable[[float], str] = score) -> str:
    """Write a value and its interval, as short as a table needs it."""
    return f"{number(interval.value)} {brackets(interval, number)}".rstrip()


def interval_in_words(interval: Interval, number: Callable[[float], str] = score) -> str:
    """Write a value and its interval for a sentence."""
    low, high = number(interval.low), number(interval.high)
    return f"{number(interval.value)} (95 % interval {low} to {high})"


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> None:
    """Fill a template; text is escaped, so a column's name cannot break the page."""
    path.write_text(_templates().get_template(template).render(content), encoding="utf-8")


@cache
def _templates() -> Environment:
    # Only a step that writes a page pays for its import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(colours=COLOURS)
    environment.filters.update(brackets=brackets)
    return environment
