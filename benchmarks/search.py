"""What live tracking costs: this project's search beside the bare one and beside autolog.

    python -m benchmarks.search            # all rows, 3 repeats: about 30 minutes
    python -m benchmarks.search --repeats 1 --rows sqlite36 train9

Each measurement is a process of its own, the sides take turns, and medians are printed as a
Markdown table. Imports are outside of what is timed, except for whole processes, whose best
scores are compared. Sides that are not named parallel fit one candidate at a time.

Beside this one: `benchmarks.large_tables` (time and memory by number of rows) and `benchmarks.tpe`
(a search that learns beside a grid).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.server import mlflow_server

LARGE_ROWS = 500_000
PROJECT = Path(__file__).resolve().parents[1]
GRIDS: dict[int, dict[str, tuple[int, ...]]] = {
    9: {"n_estimators": (1, 2, 3), "max_depth": (2, 3, 4)},
    36: {"n_estimators": tuple(range(1, 7)), "max_depth": tuple(range(2, 8))},
    200: {"n_estimators": tuple(range(1, 21)), "max_depth": tuple(range(1, 11))},
}
SECONDS_PER_REQUEST = 0.05


# --- one measurement, in a process of its own ---------------------------------------------------


def measure(side: str, candidates: int, folder: Path) -> dict[str, float]:
    """Time one search; wall and CPU seconds, those of ended child processes included."""
    import mlflow.sklearn
    from sklearn.model_selection import GridSearchCV

    from steps.model.fitting import plan_work
    from steps.model.grid import SearchSettings
    from steps.model.metrics import SCORERS
    from steps.store import runs
    from steps.store.recorded_search import Execution, search

    pipeline, schema, features, labels = _data()
    grid = {f"clf__{name}": list(values) for name, values in GRIDS[candidates].items()}
    bare = GridSearchCV(pipeline, grid, scoring=list(SCORERS), refit="roc_auc", cv=5)

    def fit() -> None:
        bare.fit(features, labels)

    def fit_under_autolog() -> None:
        mlflow.sklearn.autolog(max_tuning_runs=None, silent=True)
        with mlflow.start_run():
            bare.fit(features, labels)

    def fit_live() -> None:
        settings = SearchSettings(grid, "grid", 1, 42, "roc_auc", 5)
        work = plan_work(settings, schema, features, labels)
        with runs.open_run("train", {}, "train") as run:
            run.client.set_tag(run.id, runs.KEY, "benchmark")
            search(
                settings, work, Execution(jobs=1, resume=False), run, folder, "data/diabetes.csv"
            )

    timed = {"bare": fit, "autolog": fit_under_autolog, "live": fit_live}[side]
    wall, cpu = time.perf_counter(), _cpu()
    timed()
    return {"wall": time.perf_counter() - wall, "cpu": _cpu() - cpu}


def _data() -> tuple[Any, ...]:
    import pandas as pd

    from steps.data.schema import Schema
    from steps.model.pipeline import build_pipeline

    table = pd.read_csv(PROJECT / "data" / "diabetes.csv")
    features = table.drop(columns="Outcome").astype("float64")
    zero = ("Glucose", "BloodPressure", "SkinThickness", "Insulin", "BMI")
    schema = Schema(tuple(features.columns), "Outcome", (0, 1), zero)
    return build_pipeline(schema, 42), schema, features, table["Outcome"].to_numpy()


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


# --- rows of the table --------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row: a search on a store, two or three sides of it, and what is aimed at."""

    title: str
    candidates: int
    store: str
    sides: tuple[str, ...]
    target: str


ROWS = {
    "train36": Row(
        "36 candidates, diabetes: whole process", 36, "sqlite",
        ("script36", "train36"), "≤ 0.75 × CPU",
    ),
    "large": Row(
        "500,000 rows, reference grid, parallel: whole process", 9, "sqlite",
        ("large_script", "large", "large_report"), "≤ 1.0 × wall, ≤ 1.25 × with the report",
    ),
    "sqlite36": Row(
        "36 candidates, sqlite", 36, "sqlite", ("bare", "live", "autolog"), "≤ 1.3 × bare"
    ),
    "http36": Row(
        "36 candidates, server + 50 ms", 36, "http", ("bare", "live", "autolog"), "≤ 1.4 × (wall)"
    ),
    "http200": Row(
        "200 candidates, server + 50 ms", 200, "http", ("bare", "live"), "≤ 0.5 × (wall)"
    ),
    "train9": Row(
        "train step, 9 candidates, sqlite: whole process", 9, "sqlite",
        ("train", "script"), "autolog ≥ 2.5 × (CPU)",
    ),
}  # fmt: skip

# What one would write without this project: the same rows, grid, folds and scorers.
BARE = """
import json, sys
import pandas as pd
from sklearn.model_selection import GridSearchCV
from steps.data.schema import Schema
from steps.model.pipeline import build_pipeline
folder, grid, jobs = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
schema = Schema.from_json(open(f"{folder}/schema.json").read())
rows = pd.read_parquet(f"{folder}/train.parquet")
search = GridSearchCV(
    build_pipeline(schema, 42), grid, cv=5, refit="roc_auc", n_jobs=jobs,
    scoring=["roc_auc", "precision", "recall", "f1", "accuracy"],
).fit(rows[list(schema.features)], rows[schema.target].to_numpy())
print(json.dumps({"best": search.best_score_, "parameters": search.best_params_}))
"""

SCRIPT = """
import sys, mlflow, pandas as pd
from sklearn.model_selection import GridSearchCV
from benchmarks.search import GRIDS, _data
from steps.model.metrics import SCORERS
pipeline, _, features, labels = _data()
grid = {f"clf__{name}": list(values) for name, values in GRIDS[9].items()}
mlflow.sklearn.autolog()
with mlflow.start_run():
    GridSearchCV(pipeline, grid, scoring=list(SCORERS), refit="roc_auc", cv=5).fit(features, labels)
"""


def whole_process(side: str, uri: str) -> list[str]:
    """Give the command of a side that is a whole process."""
    if side == "script":
        return ["-c", SCRIPT]
    if side.endswith(("script", "script36")):
        grid = json.dumps(
            {f"clf__{k}": list(v) for k, v in GRIDS[36 if "36" in side else 9].items()}
        )
        return ["-c", BARE, prepared_data(uri), grid, "-1" if "large" in side else "1"]
    report, jobs = side == "large_report", -1 if "large" in side else 1
    command = ["-m", "steps.train", f"--jobs={jobs}", f"--report={report}", "--resume=false"]
    if side == "train36":
        trees = GRIDS[36]
        command += [f"--{name}={','.join(map(str, values))}" for name, values in trees.items()]
    return command


def _last_run(uri: str, step: str) -> Any:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("benchmark")
    assert experiment is not None
    found = client.search_runs(
        [experiment.experiment_id], f"tags.step = '{step}'", order_by=["start_time DESC"]
    )
    return found[0]


def prepared_data(uri: str) -> str:
    """Give the folder of the training rows that the store's preprocess run has made."""
    return str(_last_run(uri, "preprocess").info.artifact_uri).removeprefix("file://") + "/data"


def make_large_table(path: Path, count: int = LARGE_ROWS) -> None:
    """Write so many rows of 9 features, some of them informative."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    rows = random.normal(size=(count, 9)).astype("float32")
    chance = rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=count)
    table = pd.DataFrame(rows, columns=[f"feature_{number}" for number in range(9)])
    table.assign(Outcome=(chance > 0.5).astype(int)).to_csv(path, index=False)


def run_side(side: str, row: Row, uri: str, folder: Path) -> dict[str, float]:
    """Measure one side of a row once."""
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_EXPERIMENT_NAME": "benchmark",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "PYTHONPATH": str(PROJECT),
    }
    measured = ["-m", "benchmarks.search", "--measure", side, str(row.candidates)]
    with tempfile.TemporaryDirectory(dir=folder) as scratch, (folder / "out.txt").open("w+") as out:
        whole = side not in ("bare", "live", "autolog")
        command = [sys.executable, *(whole_process(side, uri) if whole else [*measured, scratch])]
        wall = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - wall
        out.seek(0)
        text = out.read()
    if process.returncode != 0:
        raise SystemExit(f"{side} of {row.title} failed:\n{text}")
    if whole:
        best = _best(side, text, uri)
        return {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "best": best}
    result: dict[str, float] = json.loads(text.splitlines()[-1])
    return result


def _best(side: str, text: str, uri: str) -> float:
    if side == "script":
        return float("nan")
    if side.endswith(("script", "script36")):
        return float(json.loads(text.splitlines()[-1])["best"])
    return float(_last_run(uri, "train").data.metrics["best_cv_score"])


@contextmanager
def store(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Give a new store's address, and a function for the lines its proxy has printed so far."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{time.time_ns()}.db", list
        return
    log = folder / f"{time.time_ns()}.txt"
    with mlflow_server(folder / str(time.time_ns())) as address, log.open("w") as lines:
        command = [sys.executable, "-m", "tests.latency_proxy"]
        command += ["--to", address.removeprefix("http://"), "--seconds", str(SECONDS_PER_REQUEST)]
        with subprocess.Popen(command, cwd=PROJECT, stdout=lines) as proxy:
            while not log.read_text():
                time.sleep(0.05)
            yield log.read_text().splitlines()[0], lambda: log.read_text().splitlines()[1:]
            proxy.terminate()


def requests_per_child(lines: list[str]) -> float:
    """Divide the requests that make, name or end a child run by the number of child runs."""
    seen = [(*line.split(), "")[1:3] for line in lines]
    # Only the parent has a data set.
    (parent,) = {run_id for path, run_id in seen if path.endswith("/runs/log-inputs")}
    children = sum(path.endswith("/runs/create") for path, _ in seen) - 1
    about_children = sum(run_id not in ("", parent) for _, run_id in seen)
    return 1 + about_children / children


def prepare(row: Row, uri: str, folder: Path) -> None:
    """Make the database and the experiment, and for whole processes the data they read."""
    if row.sides[0] in ("bare", "live"):
        run_side("live", Row(row.title, 9, row.store, ("live",), ""), uri, folder)
        return
    command = [sys.executable, "-m", "steps.preprocess"]
    if "large" in row.sides:
        make_large_table(folder / "large.csv")
        command += [f"--data={folder / 'large.csv'}", "--zero_as_missing=none"]
    environment = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": "benchmark"}
    subprocess.run(
        command, cwd=PROJECT, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL
    )


def measure_row(row: Row, repeats: int, folder: Path) -> tuple[dict[str, dict[str, float]], str]:
    """Measure the sides of a row in turn; give medians by side, and a remark."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in row.sides}
    remark = ""
    with store(row.store, folder) as (uri, lines):
        # Makes the database and the experiment, and for train the data it reads.
        prepare(row, uri, folder)
        for repeat in range(repeats):
            for side in row.sides:
                before = len(lines())
                found[side].append(run_side(side, row, uri, folder))
                shown = found[side][-1]
                print(
                    f"{row.title} [{repeat + 1}/{repeats}] {side}: wall {shown['wall']:.1f} s, "
                    f"cpu {shown['cpu']:.1f} s",
                    file=sys.stderr,
                )
                if side == "live" and row.store == "http":
                    remark = f"{requests_per_child(lines()[before:]):.2f} requests per child"
    bests = {one["best"] for results in found.values() for one in results if "best" in one}
    if len({one for one in bests if one == one}) > 1:
        raise SystemExit(f"{row.title}: the sides found different best scores: {bests}")
    medians = {
        side: {name: statistics.median(one[name] for one in results) for name in ("wall", "cpu")}
        for side, results in found.items()
    }
    return medians, remark


def print_table(measured: dict[str, tuple[dict[str, dict[str, float]], str]]) -> None:
    """Print the medians and ratios as Markdown."""
    print(
        "| | side | wall s | CPU s | wall × | CPU × | target | |\n|---|---|---|---|---|---|---|---|"
    )
    for name, (medians, remark) in measured.items():
        row = ROWS[name]
        first = medians[row.sides[0]]
        for side, values in medians.items():
            base = side == row.sides[0]
            ratios = "| |" if base else (
                f"| {values['wall'] / first['wall']:.2f} | {values['cpu'] / first['cpu']:.2f} |"
            )  # fmt: skip
            aimed = row.target if side in ("live", "script") else ""
            print(
                f"| {row.title if base else ''} | {side} | {values['wall']:.1f} "
                f"| {values['cpu']:.1f} {ratios} {aimed} | {remark if side == 'live' else ''} |"
            )


def main() -> None:
    """Measure the rows asked for and print the table."""
    parser = argparse.ArgumentParser(description="What live tracking of a search costs.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        side, candidates, folder = arguments.measure
        print(json.dumps(measure(side, int(candidates), Path(folder))))
        return
    with tempfile.TemporaryDirectory() as folder:
        measured = {
            name: measure_row(ROWS[name], arguments.repeats, Path(folder))
            for name in arguments.rows
        }
    print_table(measured)
    print(
        f"\nPython {platform.python_version()}, mlflow {version('mlflow')}, scikit-learn "
        f"{version('scikit-learn')}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[2]:.1f} over 15 minutes, medians of {arguments.repeats}."
    )


if __name__ == "__main__":
    main()
