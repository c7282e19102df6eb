"""The descriptions of runs in MLflow's pages: Markdown of a few lines.

They stay below 1,000 characters, which is what Azure ML takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.data.schema import BINARY
from steps.report.page import interval_in_words, metric_title, writer
from steps.report.search_layout import short, value_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from steps.data.schema import Schema
    from steps.model.bootstrap import Interval
    from steps.model.evaluation import Evaluation


def of_model(
    evaluation: Evaluation, schema: Schema, rows: int, table: str, links: Sequence[str]
) -> str:
    """Describe a model trained on `rows` of a `table`: what it is, and how it scores.

    The first lines have the most important: MLflow folds the others away.
    """
    main = evaluation.main
    best = ", ".join(
        f"{short(name)}={value_text(value)}"
        for name, value in evaluation.search.best.params.items()
    )
    predicted = schema.target
    if schema.task == BINARY:
        predicted = f"{schema.target} = {schema.positive}"
    made = f"**{evaluation.kind}**" + (f" ({_code(best, 120)})" if best else "")
    return (
        f"{made} predicts {_code(predicted)} from {len(schema.features):,} features, trained on "
        f"{rows:,} rows of {_code(table)}: {metric_title(main)} "
        f"{interval_in_words(evaluation.model.scores[main], writer(main))}.\n\n"
        f"{' · '.join(links)}\n\n"
        f"{_table(evaluation.model.scores)}"
    )


def _table(scores: Mapping[str, Interval]) -> str:
    lines = ["| held-out score | value | 95 % interval |", "|---|---|---|"]
    for name, found in scores.items():
        number = writer(name)
        lines.append(f"| {metric_title(name)} | {number(found.value)} | {_ends(found, number)} |")
    return "\n".join(lines)


def _ends(found: Interval, number: Callable[[float], str]) -> str:
    return f"{number(found.low)} to {number(found.high)}"


def _code(text: str, most: int = 60) -> str:
    """Show a text as it is, whatever it holds of Markdown or HTML."""
    shown = " ".join(text.replace("`", "'").split())
    return f"`{shown if len(shown) <= most else f'{shown[: most - 1]}…'}`"
