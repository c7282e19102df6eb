"""Scoring against the notebook way: the same machine, the same run, outputs compared.

    python benchmarks/scoring.py --rows 10000000 --repeat 3

Sides take turns and each is a process of its own. A row of the table is a median; CPU is user and
system time of the process and its children, which is steadier than wall time on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from mlflow.tracking import MlflowClient

from steps.data import tables
from steps.data.csv_reading import Asked
from steps.data.training_table import Prepared, Wanted, prepare
from steps.model.estimators import BOOSTING, FOREST
from steps.model.metrics import DEFAULT_THRESHOLD
from steps.model.pipeline import build_pipeline
from steps.store.models import TRUSTED_TYPES, signature
from steps.store.runs import StepRun

PROJECT = Path(__file__).resolve().parents[1]
JITTER = ("Glucose", "BloodPressure", "SkinThickness", "Insulin")

NOTEBOOK = """
import sys, mlflow.sklearn, pandas as pd
model = mlflow.sklearn.load_model(sys.argv[1])
source, target = sys.argv[2:]
frame = pd.read_csv(source) if source.endswith(".csv") else pd.read_parquet(source)
features = frame.astype("float64")
frame["prediction"] = model.predict(features)
frame["probability"] = model.predict_proba(features)[:, 1]
frame.to_csv(target, index=False) if target.endswith(".csv") else frame.to_parquet(target)
"""

# The same for German credit, whose foreign_worker is yes or no.
CATEGORIES_NOTEBOOK = """
import sys, mlflow.sklearn, pandas as pd
model = mlflow.sklearn.load_model(sys.argv[1])
frame = pd.read_csv(sys.argv[2])
features = frame.assign(foreign_worker=(frame["foreign_worker"] == "yes").astype("float64"))
frame["prediction"] = model.predict(features)
frame["probability"] = model.predict_proba(features)[:, 1]
frame.to_csv(sys.argv[3], index=False)
"""

FOREST_ALONE = """
import sys, time, mlflow.sklearn, numpy as np, pandas as pd
model = mlflow.sklearn.load_model(sys.argv[1])
features = pd.read_parquet(sys.argv[2]).astype("float64")
matrix = np.ascontiguousarray(model[0].transform(features), dtype=np.float32)
forest = model[-1].set_params(n_jobs=int(sys.argv[3]))
started, cpu = time.perf_counter(), time.process_time()
forest.predict_proba(matrix)
print(time.perf_counter() - started, time.process_time() - cpu)
"""


@dataclass
class Side:
    """One way of doing the work, with the time and memory that each run took."""

    name: str
    command: list[str]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    output: str = ""

    def run(self) -> None:
        """Run once, in a process of its own."""
        # A helper's rusage is that of its own children only, however many were run before.
        helper = (
            "import os, resource, subprocess, sys, time\n"
            "started = time.perf_counter()\n"
            "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
            "wall = time.perf_counter() - started\n"
            "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.returncode)\n"
            "print(done.stdout, done.stderr if done.returncode else '')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", helper, *self.command],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
        )
        figures, _, self.output = done.stdout.partition("\n")
        wall, cpu, megabytes, code = map(float, figures.split())
        if code:
            raise SystemExit(f"{self.name} failed: {self.output}")
        self.wall.append(wall)
        self.cpu.append(cpu)
        self.megabytes.append(megabytes)

    def row(self, base: Side, rows: int) -> str:
        """Return a line of the table, with ratios to `base`."""
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return (
            f"| {self.name} | {wall:.1f} [{min(self.wall):.1f}-{max(self.wall):.1f}] | {cpu:.1f} | "
            f"{statistics.median(self.megabytes):.0f} | {rows / wall / 1000:,.0f} k | "
            f"{statistics.median(base.wall) / wall:.2f} | "
            f"{statistics.median(base.cpu) / cpu:.2f} |"
        )


def show(title: str, sides: Sequence[Side], rows: int) -> None:
    """Print a table that compares all sides with the first."""
    print(f"\n{title}\n")
    print("| | wall s [min-max] | cpu s | peak MB | rows/s | times as fast, wall | cpu |")
    print("|---|---|---|---|---|---|---|")
    for side in sides:
        print(side.row(sides[0], rows))


def make_rows(count: int) -> pa.Table:
    """Draw rows of the diabetes table and shake them, without the target."""
    frame = pd.read_csv(PROJECT / "data" / "diabetes.csv").drop(columns="Outcome")
    random = np.random.default_rng(0)
    rows = frame.iloc[random.integers(0, len(frame), count)].reset_index(drop=True)
    for name in JITTER:
        shaken = np.maximum(1, rows[name] + random.integers(-3, 4, count))
        rows[name] = np.where(rows[name] > 0, shaken, 0)
    steps = random.integers(-20, 21, count) / 10
    rows["BMI"] = np.where(rows["BMI"] > 0, (rows["BMI"] + steps).round(1), 0.0)
    pedigree = rows["DiabetesPedigreeFunction"] + random.integers(0, 50, count) / 1000
    rows["DiabetesPedigreeFunction"] = pedigree.round(3)
    return pa.Table.from_pandas(rows, preserve_index=False)


def save_model(
    folder: Path,
    data: str = "diabetes.csv",
    target: str = "Outcome",
    family: str = FOREST,
    **parameters: Any,
) -> Path:
    """Fit and save a model as the train step does."""
    table, text = tables.read_table(PROJECT / "data" / data, Asked(), target)
    prepared = prepare(table, Wanted(target), text)
    frame, schema = prepared.table.to_pandas(), prepared.schema
    frame = frame.astype(dict.fromkeys(schema.categories, object))
    pipeline = build_pipeline(schema, 42, family, **parameters)
    pipeline.fit(frame[list(schema.features)], frame[target].to_numpy())
    run_id = profile_run(prepared)
    mlflow.sklearn.save_model(
        pipeline,
        str(folder),
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        pip_requirements=[f"scikit-learn=={version('scikit-learn')}"],
        signature=signature(schema),
        metadata={
            "schema": asdict(schema),
            "train_run_id": run_id,
            "preprocess_run_id": run_id,
            "threshold": DEFAULT_THRESHOLD,
            "versions": {"scikit-learn": version("scikit-learn")},
        },
    )
    return folder


def profile_run(prepared: Prepared) -> str:
    """Make the preprocess run that holds the training profile, so that drift is watched too."""
    from steps.base.record import Record
    from steps.data.prepared_files import DATA, write_split

    client = MlflowClient()
    experiment = client.get_experiment_by_name("benchmark")
    experiment_id = (
        experiment.experiment_id if experiment else client.create_experiment("benchmark")
    )
    made = client.create_run(experiment_id, tags={"step": "preprocess"})
    with tempfile.TemporaryDirectory() as folder:
        table = prepared.table
        write_split(table, table.slice(0, 1), prepared.schema, prepared.decisions, Path(folder))
        StepRun(client, made.info.run_id, experiment_id).log(Record(files=((Path(folder), DATA),)))
    client.set_terminated(made.info.run_id)
    return str(made.info.run_id)


def ours(name: str, model: Path, source: Path, target: Path) -> Side:
    """Return batch_score as users launch it, including its run."""
    arguments = [f"--model={model}", f"--input={source}", f"--output={target}"]
    arguments.append("--log_predictions_up_to=0")
    return Side(name, [sys.executable, "-m", "steps.batch_score", *arguments])


def notebook(name: str, model: Path, source: Path, target: Path) -> Side:
    """Return the notebook way as a script."""
    return Side(name, [sys.executable, "-c", NOTEBOOK, str(model), str(source), str(target)])


def take_turns(sides: Sequence[Side], repeat: int) -> None:
    """Run all sides, then all again."""
    for _ in range(repeat):
        for side in sides:
            side.run()


def compare(expected: Path, *others: Path) -> None:
    """Stop unless the outputs are equal row by row, their probabilities to the last bit."""
    wanted = read_output(expected)
    for other in others:
        found = read_output(other)
        pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_dtype=False)
    print(f"\n{len(wanted):,} rows of {len(others) + 1} outputs compared: equal")


def read_output(path: Path) -> pd.DataFrame:
    """Read an output by Arrow, whose numbers are exact (pandas' own parser's are not)."""
    is_csv = path.suffix == ".csv"
    table = pa.csv.read_csv(path) if is_csv else pa.parquet.read_table(path)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def small_forest(folder: Path, rows: int, repeat: int) -> None:
    """Compare on three trees of depth 3, where text is most of the work."""
    model = save_model(folder / "small", n_estimators=3, max_depth=3)
    csv, parquet = folder / "rows.csv", folder / "rows.parquet"
    sides = [
        notebook("notebook way, CSV to CSV", model, csv, folder / "notebook.csv"),
        ours("batch_score, CSV to CSV", model, csv, folder / "ours.csv"),
        ours("batch_score, CSV to Parquet", model, csv, folder / "from_csv.parquet"),
        notebook("pandas, Parquet to Parquet", model, parquet, folder / "notebook.parquet"),
        ours("batch_score, Parquet to Parquet", model, parquet, folder / "ours.parquet"),
    ]
    if rows <= 1_000_000:
        # It refuses whole numbers for a model of doubles, so give it 148.0 for 148.
        decimals = folder / "decimals.csv"
        pd.read_parquet(parquet).astype("float64").to_csv(decimals, index=False)
        command = ["-m", "mlflow", "models", "predict", "-m", str(model), "-i", str(decimals)]
        command += ["-t", "csv", "-o", str(folder / "mlflow.json"), "--env-manager", "local"]
        sides.append(Side("mlflow models predict, CSV to JSON", [sys.executable, *command]))
    take_turns(sides, repeat)
    show(f"Three trees of depth 3, {rows:,} rows", sides, rows)
    names = ("ours.csv", "from_csv.parquet", "notebook.parquet", "ours.parquet")
    compare(folder / "notebook.csv", *(folder / name for name in names))


def categories(folder: Path, rows: int, repeat: int) -> None:
    """Compare on German credit's columns, of which 13 are text, for boosting and 100 trees."""
    frame = pd.read_csv(PROJECT / "data" / "credit-g.csv").drop(columns="class")
    random = np.random.default_rng(0)
    drawn = frame.iloc[random.integers(0, len(frame), rows)].reset_index(drop=True)
    drawn["credit_amount"] = drawn["credit_amount"] + random.integers(0, 100, rows)
    csv = folder / "categories.csv"
    pa.csv.write_csv(pa.Table.from_pandas(drawn, preserve_index=False), csv)
    del drawn
    for family, parameters in ((BOOSTING, {}), (FOREST, {"n_estimators": 100})):
        model = save_model(folder / family, "credit-g.csv", "class", family, **parameters)
        paths = [folder / "notebook.csv", folder / "ours.csv"]
        arguments = [str(model), str(csv), str(paths[0])]
        sides = [
            Side("notebook way", [sys.executable, "-c", CATEGORIES_NOTEBOOK, *arguments]),
            ours("batch_score", model, csv, paths[1]),
        ]
        take_turns(sides, repeat)
        show(f"{family}, German credit's columns, {rows:,} rows, CSV to CSV", sides, rows)
        compare(*paths)


def large_forest(folder: Path, rows: int, repeat: int) -> None:
    """Compare on 200 unlimited trees, where the trees are most of the work."""
    model = save_model(folder / "large", n_estimators=200)
    csv, parquet = folder / "rows.csv", folder / "rows.parquet"
    cores = len(os.sched_getaffinity(0))
    forest = Side(
        f"the forest alone on an array in memory, {cores} threads",
        [sys.executable, "-c", FOREST_ALONE, str(model), str(parquet), str(cores)],
    )
    sides = [
        notebook("notebook way, CSV to CSV", model, csv, folder / "notebook.csv"),
        ours("batch_score, CSV to CSV", model, csv, folder / "ours.csv"),
        ours("batch_score, Parquet to Parquet", model, parquet, folder / "ours.parquet"),
    ]
    alone: list[float] = []
    scoring: list[float] = []
    for _ in range(repeat):
        take_turns([*sides, forest], 1)
        alone.append(float(forest.output.split()[0]))
        scoring.append(rows / newest_rate())
    show(f"200 unlimited trees, {rows:,} rows", sides, rows)
    print(
        f"\nScoring Parquet to Parquet without start-up: {statistics.median(scoring):.2f} s; the "
        f"forest alone on an array in memory with as many threads: {statistics.median(alone):.2f} s"
        f"; ratio {statistics.median(scoring) / statistics.median(alone):.3f}"
    )
    compare(folder / "notebook.csv", folder / "ours.csv", folder / "ours.parquet")


def newest_rate() -> float:
    """Read the throughput that the newest scoring run recorded."""
    client = MlflowClient()
    experiments = [item.experiment_id for item in client.search_experiments()]
    newest = client.search_runs(experiments, "tags.step = 'batch_score'", max_results=1)[0]
    return float(newest.data.metrics["rows_per_second"])


def start_up(folder: Path, repeat: int) -> None:
    """Compare the time to the first row with that of importing mlflow.sklearn."""
    pa.csv.write_csv(make_rows(10), folder / "few.csv")
    output = folder / "few.out.csv"
    arguments = [f"--model={folder / 'small'}", f"--input={folder / 'few.csv'}"]
    command = [sys.executable, "-m", "steps.batch_score", *arguments, f"--output={output}"]
    sides = [
        Side("import mlflow.sklearn", [sys.executable, "-c", "import mlflow.sklearn"]),
        Side(
            "import mlflow.sklearn and scikit-learn's forest",
            [sys.executable, "-c", "import mlflow.sklearn, sklearn.ensemble, sklearn.compose"],
        ),
        Side("batch_score of 10 rows, to its end", command),
    ]
    to_rows = []
    for _ in range(repeat):
        take_turns(sides, 1)
        to_rows.append(seconds_until(output, command))
    print(
        "\nStart-up\n\n| | wall s | cpu s | wall, times the import | cpu |\n|---|---|---|---|---|"
    )
    base_wall, base_cpu = statistics.median(sides[0].wall), statistics.median(sides[0].cpu)
    for side in sides:
        wall, cpu = statistics.median(side.wall), statistics.median(side.cpu)
        ratios = f"{wall / base_wall:.2f} | {cpu / base_cpu:.2f}"
        print(f"| {side.name} | {wall:.2f} | {cpu:.2f} | {ratios} |")
    wall = statistics.median(to_rows)
    print(
        f"| batch_score, until the 10 rows are in place | {wall:.2f} | | {wall / base_wall:.2f} | |"
    )


def seconds_until(output: Path, command: Sequence[str]) -> float:
    """Time from the start of a process until it has put a file in its place."""
    output.unlink(missing_ok=True)
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        while not output.exists():
            if process.poll() not in (None, 0):
                raise SystemExit(f"failed: {command}")
            time.sleep(0.002)
        return time.perf_counter() - started


def main() -> None:
    """Make the data, run what was asked for, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--large-rows", type=int, default=1_000_000, help="for 200 trees")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=("small", "large", "start", "categories"))
    chosen = parser.parse_args()
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
    print(f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"file://{folder}/mlruns"
        mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
        for part, run, rows in (
            ("small", small_forest, chosen.rows),
            ("large", large_forest, chosen.large_rows),
        ):
            if chosen.only in (None, part):
                table = make_rows(rows)
                pa.csv.write_csv(table, folder / "rows.csv")
                pa.parquet.write_table(table, folder / "rows.parquet")
                del table
                run(folder, rows, chosen.repeat)
        if chosen.only in (None, "categories"):
            categories(folder, chosen.rows, chosen.repeat)
        if chosen.only in (None, "start"):
            if not (folder / "small").exists():
                save_model(folder / "small", n_estimators=3, max_depth=3)
            start_up(folder, max(chosen.repeat, 3))


if __name__ == "__main__":
    main()
