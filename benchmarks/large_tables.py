"""What a table's size costs: the share of the evaluation, and time and memory of a large one.

    python -m benchmarks.large_tables share            # 768 to 2,250,000 rows: about 5 minutes
    python -m benchmarks.large_tables memory           # 2,250,000 rows
    python -m benchmarks.large_tables share --rows 768 50000

`share` compares, in one process, what train does after the search (evaluation, importances, curves,
plots and report) with the search before it, which is the reference grid: 9 candidates of 1 to 3
trees. A grid that one would search takes longer, and its evaluation does not. `memory` runs
preprocess and train as processes of their own: seconds, and the peak of the larger beside what is
asked, five tables of float32 and 500 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.search import PROJECT, make_large_table

COLUMNS, MB = 9, 1_000_000
ROWS = (768, 50_000, 500_000, 2_250_000)
MOST_SHARE, MOST_SECONDS = 0.20, 60.0


def store(folder: Path) -> dict[str, str]:
    """Give the environment of a process that logs into a store of its own."""
    return os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_EXPERIMENT_NAME": "benchmark",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(PROJECT),
    }


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a process of the project; give its seconds, and its peak memory in MB."""
    started = time.perf_counter()
    with (folder / "out.txt").open("w+") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=store(folder),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            out.seek(0)
            raise SystemExit(f"{command} failed:\n{out.read()}")
    # Kilobytes on Linux.
    return time.perf_counter() - started, used.ru_maxrss * 1024 / MB


def preprocess(rows: int, folder: Path) -> tuple[float, float]:
    """Make a table of so many rows, and prepare it; seconds and MB are those of the preparation."""
    table = folder / "large.csv"
    make_large_table(table, rows)
    return run(["-m", "steps.preprocess", f"--data={table}", "--zero_as_missing=none"], folder)


def measure_share(folder: Path) -> None:
    """Train in this process, and write the seconds of the search and of what follows it."""
    from steps import train
    from steps.cli import launch
    from steps.store import run_report

    seconds = {"search": 0.0, "evaluate": 0.0, "write": 0.0}

    def timed(module: Any, name: str) -> None:
        call: Callable[..., Any] = getattr(module, name)

        def measured(*args: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*args, **named)
            finally:
                seconds[name] += time.perf_counter() - started

        setattr(module, name, measured)

    timed(train, "search")
    timed(train, "evaluate")
    timed(run_report, "write")
    if launch(train.STEP, ["--resume=false"]) != 0:
        raise SystemExit("train failed")
    (folder / "seconds.json").write_text(json.dumps(seconds))


def share(counts: list[int]) -> None:
    """Print the share of the evaluation for each number of rows."""
    print(
        "| rows | search s | evaluation s | report s | share | asked |\n|---|---|---|---|---|---|"
    )
    for rows in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            preprocess(rows, folder)
            run(["-m", "benchmarks.large_tables", "measure", "--folder", name], folder)
            s = json.loads((folder / "seconds.json").read_text())
        part = (s["evaluate"] + s["write"]) / s["search"]
        print(
            f"| {rows:,} | {s['search']:.1f} | {s['evaluate']:.1f} | {s['write']:.1f} "
            f"| {part:.0%} | ≤ {MOST_SHARE:.0%} |",
            flush=True,
        )


def memory(rows: int) -> None:
    """Print seconds and peak memory of preprocess and train."""
    most = 5 * rows * COLUMNS * 4 / MB + 500
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = {"preprocess": preprocess(rows, folder)}
        steps["train"] = run(["-m", "steps.train", "--resume=false"], folder)
    print("| step | s | peak MB | asked |\n|---|---|---|---|")
    for step, (seconds, peak) in steps.items():
        print(f"| {step}, {rows:,} rows | {seconds:.1f} | {peak:,.0f} | ≤ {most:,.0f} MB |")
    together = sum(seconds for seconds, _ in steps.values())
    print(f"| together | {together:.1f} | | ≤ {MOST_SECONDS:.0f} s |")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description="What a table's size costs.")
    parser.add_argument("what", choices=("share", "memory", "measure"))
    parser.add_argument("--rows", nargs="*", type=int, default=[])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what == "measure":
        measure_share(arguments.folder)
    elif arguments.what == "share":
        share(arguments.rows or list(ROWS))
    else:
        memory(max(arguments.rows or ROWS))


if __name__ == "__main__":
    main()
