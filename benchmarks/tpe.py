"""Whether a search that learns finds in 40 trials what a grid finds with 200 candidates.

    python -m benchmarks.tpe              # three tables, about 15 minutes

Both look at the same random forest: the grid at 200 points, `tpe` in the ranges between its ends.
Compared are the mean ROC AUC over five folds of the candidates chosen: the median of three seeds,
each of which makes other folds, other forests and other first trials. `tpe` fits one candidate
after the other, so that a figure can be had again.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

from benchmarks.tables import Silence, Table, tables
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
SEEDS = (42, 43, 44)
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


def search(table: Table, how: str, seed: int) -> tuple[float, float]:
    """Search a table; give the best mean score, and the seconds."""
    settings = SearchSettings(GRID if how == "grid" else SPACE, how, TRIALS, seed, "roc_auc", FOLDS)
    work = plan_work(settings, table.schema, table.features, table.labels)
    source = Listed(work, settings.candidates()) if how == "grid" else Learned(settings)
    started = time.perf_counter()
    # Several at once would make what tpe proposes depend on which of them ends first.
    with LocalExecutor(work, -1 if how == "grid" else 1) as executor:
        results = fit_all(source, executor, Silence(), metric=settings.metric)
    seconds = time.perf_counter() - started
    described = unfitted_search(work, settings)
    found = refitted(described, work, source, results, settings.metric)
    return float(found.best_score_), seconds


def main() -> None:
    """Compare both on each table; the exit code is 1 if one misses."""
    missed = False
    print("| table | rows | grid | s | tpe | s | difference, each seed | median | |")
    print("|---|---|---|---|---|---|---|---|---|")
    for table in tables(list(TABLES)):
        if table.name not in TABLES:
            continue
        pairs = [(search(table, "grid", seed), search(table, "tpe", seed)) for seed in SEEDS]
        gains = [tpe[0] - grid[0] for grid, tpe in pairs]
        grid, tpe = (
            [median(figures) for figures in zip(*side, strict=True)]
            for side in zip(*pairs, strict=True)
        )
        missed |= median(gains) < -WITHIN
        print(
            f"| {table.name} | {len(table.labels):,} | {grid[0]:.4f} | {grid[1]:.0f} "
            f"| {tpe[0]:.4f} | {tpe[1]:.0f} | {', '.join(f'{gain:+.4f}' for gain in gains)} "
            f"| {median(gains):+.4f} | {'missed' if median(gains) < -WITHIN else 'reached'} |",
            flush=True,
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
