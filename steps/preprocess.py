"""Check a table, split it into training and test rows, and log both with their schema."""

from __future__ import annotations

if __name__ == "__main__":
    from steps.base.process import begin_imports

    begin_imports()

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps import shared
from steps.base import console
from steps.base.errors import StepError
from steps.base.files import files_digest, named_digest
from steps.base.parameters import parameter
from steps.base.parsers import AUTO, NONE, number, one_of, optional, text, words
from steps.base.record import Record
from steps.cli import run_script
from steps.data import preparation, prepared_files, sources, tables, targets, text_files, values
from steps.data.csv_reading import Asked
from steps.data.schema import BINARY
from steps.data.split import RANDOM, Split, parse_split
from steps.data.training_table import Wanted
from steps.store import datasets, runs, table_inputs
from steps.store.chain import Reuse, Session, Source, Step, StepResult
from steps.store.runs import StepRun
from steps.store.table_inputs import TableInput

if TYPE_CHECKING:
    from steps.data.preparation import SplitTable


def _words_or_auto(value: str) -> tuple[str, ...] | None:
    return None if value == AUTO else words(value)


def _words_or_all(value: str) -> tuple[str, ...] | None:
    return None if value == "all" else words(value)


def _location_or_none(value: str) -> str | None:
    return None if optional(value) is None else sources.location(value)


def _decimal(value: str) -> str | None:
    return None if value == AUTO else one_of(AUTO, ".", ",")(value)


@dataclass(frozen=True)
class PreprocessParameters:
    """Parameters of the entry point `preprocess`."""

    data: str = parameter(
        sources.location,
        "data/diabetes.csv",
        "the table: path or URI of a CSV (also `.gz`, `.bz2`, `.xz`, `.zip`), Parquet, Feather, "
        "ORC or JSON lines file",
        in_key=False,
    )
    test_data: str | None = parameter(
        _location_or_none,
        NONE,
        "a table of its own to hold out, with the same columns, instead of a part of `data`; or "
        "`none`",
        in_key=False,
    )
    delimiter: str | None = parameter(
        tables.delimiter_or_auto,
        AUTO,
        "what separates the columns of a CSV file: `auto` is what the header has most of (comma, "
        "semicolon, tab, vertical bar); a character, or `tab`",
    )
    encoding: str = parameter(
        text_files.parse_encoding,
        AUTO,
        "encoding of a CSV file: `auto` goes by its byte order mark and is UTF-8 without one; or "
        "any that Python knows",
    )
    decimal: str | None = parameter(
        _decimal,
        AUTO,
        "decimal mark of numbers: `auto`, `.` or `,`; thousands may be separated by the other "
        "one, a space or an apostrophe",
    )
    missing: tuple[str, ...] = parameter(
        values.parse_missing,
        AUTO,
        "texts that mean a missing value, separated by commas, beside an empty or blank cell; "
        "`auto` among them is `NA`, `N/A`, `NaN`, `null`, `None`, `?`, `-`, `.`, `#N/A`, "
        "`#DIV/0!`, `\\N`, `<NA>` and the like",
    )
    target: str = parameter(
        text,
        "Outcome",
        "the column to predict: classes (text, booleans, whole numbers) or numbers",
    )
    task: str = parameter(
        one_of(*targets.TASKS),
        AUTO,
        f"`auto` takes numbers with fractions, and whole ones of more than {targets.MOST_WHOLE} "
        "different values, for numbers to predict, all else for classes",
    )
    positive: str = parameter(
        text, AUTO, "the positive one of two classes; `auto` is the last in sort order"
    )
    features: tuple[str, ...] | None = parameter(
        _words_or_all, "all", "columns to learn from, separated by commas, or `all`"
    )
    drop: tuple[str, ...] = parameter(
        words, NONE, "columns to leave out, separated by commas, or `none`"
    )
    zero_as_missing: tuple[str, ...] | None = parameter(
        _words_or_auto,
        AUTO,
        "columns in which zero means missing, separated by commas, or `none`; `auto` is Glucose, "
        "BloodPressure, SkinThickness, Insulin and BMI if the table has all of them",
    )
    split: Split = parameter(
        parse_split,
        RANDOM,
        "which rows are held out: `random` (stratified by class), `time:<column>` (the newest) or "
        "`group:<column>` (whole groups, which the folds do not tear apart either)",
    )
    test_size: float = parameter(number(0, 1, open_ends=True), "0.25", "share of the rows held out")
    seed: int = shared.seed()
    workspace: str = shared.workspace()

    def __post_init__(self) -> None:
        if self.test_data is not None and self.split.kind != RANDOM:
            raise StepError(
                "parameter test_data: expected split=random, since the table says what is held "
                f"out, found {self.split.kind}:{self.split.column}"
            )

    @property
    def asked(self) -> Asked:
        """How to read text."""
        return Asked(self.delimiter, self.encoding, self.missing, self.decimal)

    @property
    def wanted(self) -> Wanted:
        """What to learn."""
        return Wanted(
            self.target,
            self.features,
            self.drop,
            self.zero_as_missing,
            self.task,
            self.positive,
            self.split,
        )


@dataclass(frozen=True, kw_only=True)
class Tables(Source):
    """The table, and the one of the rows to hold out, if any."""

    inputs: tuple[TableInput, ...]


def find_source(chosen: PreprocessParameters, session: Session) -> Tables:
    """Settle the digest of the table, and of the test table if there is one."""
    table = table_inputs.settle("data", chosen.data, session)
    if chosen.test_data is None:
        return Tables(digest=table.digest, inputs=(table,))
    test = table_inputs.settle("test_data", chosen.test_data, session)
    both = named_digest([(each.parameter, each.digest) for each in (table, test)])
    return Tables(digest=both, inputs=(table, test))


def execute(
    chosen: PreprocessParameters, source: Tables, run: StepRun, session: Session
) -> StepResult:
    """Prepare the table and log the split."""
    shown = sources.without_secrets(chosen.data)
    path = table_inputs.fetch(source.inputs[0], chosen.data, session)
    table, read_as = tables.read_table(path, chosen.asked, chosen.target, shown)
    prepared = preparation.prepare(table, chosen.wanted, read_as)
    del table
    if chosen.test_data is None:
        parts = preparation.split_table(prepared, chosen.test_size, chosen.seed)
    else:
        shown = sources.without_secrets(chosen.test_data)
        path = table_inputs.fetch(source.inputs[1], chosen.test_data, session)
        test, _ = tables.read_table(path, chosen.asked, chosen.target, shown)
        parts = preparation.with_test_table(prepared, test, shown)
    folder = session.folder / run.id
    folder.mkdir()
    files = prepared_files.write_split(
        parts.train, parts.test, parts.schema, parts.decisions, folder
    )
    record = prepared_files.record(parts.train, parts.test, parts.schema)
    table_inputs.log(run, source.inputs)
    run.log(
        Record(
            metrics=record.metrics,
            tags={runs.OUTPUT: files_digest(files)},
            files=((folder, prepared_files.DATA),),
        )
    )
    for warning in parts.decisions.warnings:
        console.warn(warning)
    return StepResult((*parts.decisions.lines(), _summary(parts, record)))


def _summary(parts: SplitTable, record: Record) -> str:
    train, test, schema = len(parts.train), len(parts.test), parts.schema
    told = f"{train + test:,} rows, {train:,} to train on and {test:,} held out"
    if schema.task == BINARY:
        share = record.metrics["positive_rate"]
        told += f"; {share:.1%} are {schema.target}={schema.positive}"
    return f"preprocess: {told}"


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
    subject="data",
)

if __name__ == "__main__":
    run_script(STEP)
