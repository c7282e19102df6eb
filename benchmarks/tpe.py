"""Whether a search that learns finds in 40 trials what a grid finds with 200 candidates.

    python -m benchmarks.tpe              # three tables, about 5 minutes

Both look at the same random forest: the grid at 200 points, `tpe` in the ranges between its ends.
Compared are the mean ROC AUC over five folds of the candidates chosen; `tpe` is seeded, and fits
one candidate after the other, so that a figure can be had again.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.tables import SEED, Silence, Table, tables
from steps.model.fitted_search import refitted, unfitted_search
from steps.model.fitting import plan_work
from steps.model.grid import Grid, SearchSettings
from steps.model.local_executor import LocalExecutor
from steps.model.search_loop import fit_all
from steps.model.sources import Listed
from steps.model.tpe import Learned

# Of two classes each: one medical, one financial, one of images; listed before any was tried.
TABLES = ("diabetes.csv", "credit-g.csv", "breast_cancer")
TREES, TRIALS, FOLDS, WITHIN = 50, 40, 5, 0.002
GRID: Grid = {
    "clf__n_estimators": [TREES],
    "clf__max_depth": [2, 3, 4, 5, 6, 8, 10, 12, 16, 20],
    "clf__min_samples_leaf": [1, 2, 5, 10, 20],
    "clf__max_features": [0.2, 0.4, 0.7, 1.0],
}
SPACE: Any = {
    "clf__n_estimators": [TREES],
    "clf__max_depth": {"low": 2, "high": 20},
    "clf__min_samples_leaf": {"low": 1, "high": 20, "log": True},
    "clf__max_features": {"low": 0.2, "high": 1.0},
}


def search(table: Table, how: str) -> tuple[float, int, float]:
    """Search a table; give the best mean score, the number of candidates and the seconds."""
    settings = SearchSettings(GRID if how == "grid" else SPACE, how, TRIALS, SEED, "roc_auc", FOLDS)
    work = plan_work(settings, table.schema, table.features, table.labels)
    source = Listed(work, settings.candidates()) if how == "grid" else Learned(settings)
    started = time.perf_counter()
    # Several at once would make what tpe proposes depend on which of them ends first.
    with LocalExecutor(work, -1 if how == "grid" else 1) as executor:
        results = fit_all(source, executor, Silence(), metric=settings.metric)
    seconds = time.perf_counter() - started
    described = unfitted_search(work, settings)
    found = refitted(described, work, source, results, settings.metric)
    return float(found.best_score_), len(source.candidates), seconds


def main() -> None:
    """Compare both on each table; the exit code is 1 if one misses."""
    missed = False
    print("| table | rows | grid | of | s | tpe | of | s | difference | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for table in tables(list(TABLES)):
        if table.name not in TABLES:
            continue
        grid, tpe = search(table, "grid"), search(table, "tpe")
        gain = tpe[0] - grid[0]
        missed |= gain < -WITHIN
        print(
            f"| {table.name} | {len(table.labels):,} | {grid[0]:.4f} | {grid[1]} | {grid[2]:.0f} "
            f"| {tpe[0]:.4f} | {tpe[1]} | {tpe[2]:.0f} | {gain:+.4f} "
            f"| {'missed' if gain < -WITHIN else 'reached'} |",
            flush=True,
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
