"""Labels that come later: time and memory of joining them to predictions, and scoring them.

    python -m benchmarks.late_labels                       # 10 million rows, as Parquet and as CSV
    python -m benchmarks.late_labels --rows 200000 10000000

Each join runs in a process of its own; the labels are in another order than the predictions.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from steps.data.schema import Schema
from steps.scoring import input_files, late_labels

MB = 1_000_000
SCHEMA = Schema(("x",), "y", (0, 1), ())


def make_tables(folder: Path, rows: int, suffix: str) -> None:
    """Write predictions of so many rows, and their labels."""
    random = np.random.default_rng(0)
    probability = random.random(rows).round(4)
    predictions = pa.table(
        {
            "id": np.arange(rows) + 10**9,
            "prediction": (probability > 0.5).astype(int),
            "probability": probability,
        }
    )
    order = random.permutation(rows)
    truth = (random.random(rows) < probability[order]).astype(int)
    labels = pa.table({"id": order + 10**9, "y": truth})
    write = pa.csv.write_csv if suffix == "csv" else pa.parquet.write_table
    for name, table in (("predictions", predictions), ("labels", labels)):
        write(table, folder / f"{name}.{suffix}")


def join(folder: Path, suffix: str) -> None:
    """Join and score the tables of a folder."""
    started = time.perf_counter()
    labels, predictions = (
        input_files.find_files(str(folder / f"{name}.{suffix}"))
        for name in ("labels", "predictions")
    )
    read = late_labels.read_labels_table(labels, ("id",), SCHEMA, folder / "spread")
    found = late_labels.join(predictions, read, SCHEMA, "run", folder / "keys")
    print(f"{suffix}: {found}, {time.perf_counter() - started:.1f} s", flush=True)


def main() -> None:
    """Measure each size and format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000_000])
    for rows in parser.parse_args().rows:
        for suffix in ("parquet", "csv"):
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                child = os.fork()
                if not child:
                    make_tables(folder, rows, suffix)
                    os._exit(0)
                if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                    sys.exit("could not write the tables")
                child = os.fork()
                if not child:
                    join(folder, suffix)
                    os._exit(0)
                _, status, used = os.wait4(child, 0)
                if os.waitstatus_to_exitcode(status):
                    sys.exit("the join failed")
                # Kilobytes on Linux.
                print(f"{suffix}: peak memory {used.ru_maxrss * 1024 / MB:,.0f} MB")


if __name__ == "__main__":
    main()
