"""Check a table, split it into training and test rows, and log both with their schema."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base import script

    script.begin_imports()

from dataclasses import dataclass

from steps.base.files import file_digest, files_digest
from steps.base.parameters import integer, number, parameter, text, words
from steps.base.record import Record
from steps.cli import run_script
from steps.data import sources, tables
from steps.data import split as prepare
from steps.store import runs
from steps.store.chain import Outcome, Session, Source, Step
from steps.store.runs import StepRun


@dataclass(frozen=True)
class PreprocessParameters:
    """Parameters of the entry point `preprocess`."""

    data: str = parameter(sources.location, "the table: path or URI of a CSV or Parquet file")
    delimiter: str = parameter(
        tables.delimiter, "what separates the columns of a CSV file; tab for a tabulator"
    )
    target: str = parameter(text, "the column to predict: 0/1, booleans or two strings")
    zero_as_missing: tuple[str, ...] = parameter(
        words, "columns in which zero means missing, comma-separated, or none"
    )
    test_size: float = parameter(number(0, 1, open_ends=True), "share of the rows held out")
    seed: int = parameter(integer(0, 2**32 - 1), "seed of the split")
    workspace: str = parameter(
        sources.location, "Azure ML workspace: auto, none, or path of a config.json", in_key=False
    )


def find_source(chosen: PreprocessParameters, session: Session) -> Source:
    """Fetch the table."""
    return Source(file_digest(sources.fetch(chosen.data, session.folder)))


def execute(
    chosen: PreprocessParameters, source: Source, run: StepRun, session: Session
) -> Outcome:
    """Prepare the table and log the split."""
    path = sources.fetch(chosen.data, session.folder)
    shown = sources.without_query(chosen.data)
    raw = tables.read_table(path, chosen.delimiter, chosen.target, shown)
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
    return Outcome(
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
)

if __name__ == "__main__":
    run_script(STEP)
