"""Check a table, split it into training and test rows, and log both with their schema."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from dataclasses import dataclass
from pathlib import Path

from steps import shared
from steps.base.files import file_digest, files_digest
from steps.base.parameters import parameter
from steps.base.parsers import number, text, words
from steps.base.record import Record
from steps.cli import run_script
from steps.data import sources, tables
from steps.data import split as prepare
from steps.store import datasets, runs
from steps.store.chain import Reuse, Session, Source, Step, StepResult
from steps.store.runs import StepRun


@dataclass(frozen=True)
class PreprocessParameters:
    """Parameters of the entry point `preprocess`."""

    data: str = parameter(
        sources.location,
        "data/diabetes.csv",
        "the table: path or URI of a CSV (also `.csv.gz`) or Parquet file",
        in_key=False,
    )
    delimiter: str = parameter(
        tables.delimiter,
        ",",
        "what separates the columns of a CSV file; `tab` for a tabulator",
    )
    target: str = parameter(
        text,
        "Outcome",
        "the column to predict: 0/1, booleans or two strings; the last class in sort order is "
        "the positive one",
    )
    zero_as_missing: tuple[str, ...] = parameter(
        words,
        "Glucose,BloodPressure,SkinThickness,Insulin,BMI",
        "columns in which zero means missing, separated by commas, or `none`",
    )
    test_size: float = parameter(number(0, 1, open_ends=True), "0.25", "share of the rows held out")
    seed: int = shared.seed()
    workspace: str = shared.workspace()


@dataclass(frozen=True, kw_only=True)
class Table(Source):
    """The local file with the table."""

    path: Path


def find_source(chosen: PreprocessParameters, session: Session) -> Table:
    """Fetch the table."""
    path = sources.fetch(chosen.data, session.folder)
    return Table(digest=file_digest(path), path=path)


def execute(
    chosen: PreprocessParameters, source: Table, run: StepRun, session: Session
) -> StepResult:
    """Prepare the table and log the split."""
    shown = sources.without_query(chosen.data)
    raw = tables.read_table(source.path, chosen.delimiter, chosen.target, shown)
    frame, schema = tables.as_training_table(
        raw, chosen.target, chosen.zero_as_missing, chosen.delimiter
    )
    train, test = prepare.split(frame, schema, chosen.test_size, chosen.seed)
    folder = session.folder / run.id
    folder.mkdir()
    files = prepare.write_split(train, test, schema, folder)
    record = prepare.record(frame, train, test, schema)
    run.log(
        Record(
            metrics=record.metrics,
            tags={runs.OUTPUT: files_digest(files)},
            files=((folder, prepare.DATA),),
        )
    )
    return StepResult(
        (
            f"preprocess: {len(frame):,} rows, {len(train):,} to train on and {len(test):,} held "
            f"out; {record.metrics['positive_rate']:.1%} are {schema.target}={schema.positive}",
        )
    )


STEP = Step(
    name="preprocess",
    description=__doc__,
    parameters=PreprocessParameters,
    find_source=find_source,
    execute=execute,
    reuse=Reuse(
        code=("preprocess.py", "data"),
        libraries=("scikit-learn", "numpy", "pandas", "pyarrow"),
        artifacts=lambda chosen: datasets.ARTIFACTS,
    ),
)

if __name__ == "__main__":
    run_script(STEP)
