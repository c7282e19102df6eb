"""What a second node brings to a search, and what a submission costs.

    python -m benchmarks.nodes                 # all rows, 3 repeats: about 80 minutes
    python -m benchmarks.nodes --rows submit
    python -m benchmarks.nodes --rows search --repeats 1 --candidates 20 --trees 50

Jobs run in a loopback workspace of their own, on this machine, both sides of the search at once:
what slows the machine slows both. That takes a core for each of three nodes, and one for the
services of the workspace, which in Azure are elsewhere; where there are fewer, a node is a share of
a core (`--cores`). Medians are printed as a Markdown table, with the range of the ratios of the
repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path

from loopback.job import Job
from loopback.workspace import LoopbackWorkspace
from tests.loopback.laptop import Laptop, azure_runs, finish, new_laptop, server
from tests.mlflow_aml.toy import new_toy, start, submit

MOST_CANDIDATES, TREES = 200, 200
SPEED_UP = 1.7
# Seconds; 200,000 trees on two fifths of a core.
LONGEST = 3600.0
# Candidates that differ in the number of trees alone would share one fit: these do not.
DEPTHS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
FEATURES = (1, 2, 3, 4, 6)
LEAVES = (1, 2, 4, 8)
IMPORTS, SECONDS, REQUESTS = 1.5, 1.5, 8


@dataclass(frozen=True)
class Search:
    """One search as a job: seconds of the job and of its candidates, and the best score."""

    job: float
    candidates: float
    best: float


def grids(candidates: int, trees: int) -> list[dict[str, list[int]]]:
    """Return grids that hold this many candidates together."""
    found, left = [], candidates
    for features, leaf in product(FEATURES, LEAVES):
        depths = DEPTHS[:left]
        left -= len(depths)
        if depths:
            values = {"n_estimators": trees, "max_features": features, "min_samples_leaf": leaf}
            grid = {f"clf__{name}": [value] for name, value in values.items()}
            found.append({**grid, "clf__max_depth": list(depths)})
    return found


def searches(laptop: Laptop, grid: list[dict[str, list[int]]]) -> dict[int, Search]:
    """Run a search on one node and on two at the same time; give each by its nodes."""
    parameters = (f"grid={json.dumps(grid)}", "report=false", "resume=false", "scheduler=auto")
    known = set(laptop.workspace.jobs)
    both = [start(laptop, "train", *parameters, config={"nodes": nodes}) for nodes in (1, 2)]
    for process in both:
        done = finish(process, LONGEST)
        if done.code != 0:
            raise SystemExit(f"a search failed:\n{done.err}")
    jobs = [job for name, job in laptop.workspace.jobs.items() if name not in known]
    return {job.nodes: _search(laptop, job, grid) for job in jobs}


def _search(laptop: Laptop, job: Job, grid: list[dict[str, list[int]]]) -> Search:
    children = [
        run.info
        for run in azure_runs(laptop.workspace, **{"mlflow.parentRunId": job.run})
        if "step" not in run.data.tags
    ]
    if job.started is None or job.ended is None:
        raise SystemExit(f"the search on {job.nodes} nodes did not end")
    if len(children) != sum(len(one["clf__max_depth"]) for one in grid):
        raise SystemExit(f"the search on {job.nodes} nodes has {len(children)} candidates")
    times = datetime.fromisoformat(job.started), datetime.fromisoformat(job.ended)
    first = min(child.start_time for child in children)
    last = max(child.end_time for child in children)
    run = server(laptop.workspace).get_run(job.run)
    return Search(
        (times[1] - times[0]).total_seconds(),
        (last - first) / 1000,
        float(run.data.metrics["best_cv_score"]),
    )


def search_row(
    laptop: Laptop, repeats: int, candidates: int, trees: int, cores: float
) -> list[str]:
    """Measure a search on one node and on two; give the lines of the table."""
    laptop.workspace.runner.cores_per_node = cores
    prepared = submit(laptop, "preprocess")
    if prepared.code != 0:
        raise SystemExit(prepared.err)
    grid = grids(candidates, trees)
    found: dict[int, list[Search]] = {1: [], 2: []}
    for _ in range(repeats):
        for nodes, result in searches(laptop, grid).items():
            found[nodes].append(result)
            _note(f"{nodes} node(s): {result}")
    if len({one.best for results in found.values() for one in results}) > 1:
        raise SystemExit(f"the sides found different best scores: {found}")
    title = f"{candidates} candidates of {trees} trees, {cores:g} of a core for each node"
    return [
        _line(f"{title}, whole job", found, "job", SPEED_UP),
        _line("the same, first candidate to last", found, "candidates", SPEED_UP),
    ]


def _line(title: str, found: dict[int, list[Search]], what: str, target: float) -> str:
    one, two = ([getattr(each, what) for each in found[nodes]] for nodes in (1, 2))
    ratios = sorted(alone / both for alone, both in zip(one, two, strict=True))
    sides = f"{statistics.median(one):.1f} s | {statistics.median(two):.1f} s"
    ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
    return f"| {title} | {sides} | {ratio} | ≥ {target} |"


def submit_row(toy: Laptop, repeats: int) -> list[str]:
    """Measure `import mlflow`, and `mlflow run` to "submitted", with unchanged code."""
    warm = submit(toy, "greet")
    if warm.code != 0:
        raise SystemExit(warm.err)
    imports, submissions, requests = [], [], []
    for _ in range(repeats):
        imports.append(_seconds_to_import(toy))
        toy.workspace.requests.clear()
        submissions.append(_seconds_to_submit(toy))
        # The last one is mlflow's own, when the backend has returned.
        requests.append(len(toy.workspace.requests) - 1)
    ratios = sorted(
        (seconds - SECONDS) / alone for seconds, alone in zip(submissions, imports, strict=True)
    )
    sides = f"{statistics.median(imports):.2f} s | {statistics.median(submissions):.2f} s"
    ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
    title = f"import mlflow; mlflow run to submitted, less {SECONDS} s"
    return [
        f"| {title} | {sides} | {ratio} | ≤ {IMPORTS} |",
        f"| requests of a submission with unchanged code | | {max(requests)} | | ≤ {REQUESTS} |",
    ]


def _seconds_to_import(toy: Laptop) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import mlflow"], env=toy.env, check=True)
    return time.perf_counter() - started


def _seconds_to_submit(toy: Laptop) -> float:
    started = time.perf_counter()
    process = start(toy, "greet", config={"wait": False})
    assert process.stdout is not None
    for line in process.stdout:
        if " submitted: " in line:
            seconds = time.perf_counter() - started
            finish(process)
            return seconds
    raise SystemExit(f"nothing was submitted:\n{finish(process).err}")


def rows(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Measure the rows asked for; yield the lines of the table."""
    with LoopbackWorkspace() as workspace:
        laptop = new_laptop(workspace, folder / "laptop")
        if "submit" in arguments.rows:
            yield from submit_row(new_toy(laptop), arguments.repeats)
        if "search" in arguments.rows:
            given = arguments.repeats, arguments.candidates, arguments.trees
            yield from search_row(laptop, *given, arguments.cores)


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure the rows asked for and print the table."""
    parser = argparse.ArgumentParser(description="What nodes bring, and what a submission costs.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", nargs="*", choices=["submit", "search"], default=None)
    parser.add_argument("--candidates", type=int, default=MOST_CANDIDATES)
    parser.add_argument("--trees", type=int, default=TREES)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--cores", type=float, default=1 if cores > 3 else 0.4, help="of a node")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or ["submit", "search"]
    if cores < 2:
        raise SystemExit("expected two cores at least: each node is on one of its own")
    with tempfile.TemporaryDirectory() as folder:
        lines = list(rows(arguments, Path(folder)))
    print("| | one | two | × | aim |\n|---|---|---|---|---|", *lines, sep="\n")
    load = os.getloadavg()[0]
    print(
        f"\nPython {platform.python_version()}, mlflow {version('mlflow')}, scikit-learn "
        f"{version('scikit-learn')}, {os.cpu_count()} cores, load average {load:.1f}"
    )


if __name__ == "__main__":
    main()
