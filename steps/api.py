"""The steps as Python functions, for notebooks and programs.

    from steps import api

    prepared = api.preprocess("data/diabetes.csv")
    trained = api.train(prepared, max_depth=[2, 3, 4])
    scored = api.batch_score(new_rows, model=trained)
    watched = api.monitor(trained)

They take the parameters of the steps by name, as Python values. They log where MLflow logs to
(`mlflow.set_tracking_uri`, `mlflow.set_experiment`), below the active run if there is one, which
they neither change nor end. Bad input raises a StepError.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Unpack

from steps.base import arguments, console
from steps.base.errors import DRIFT, GATE, StepError
from steps.base.temporary import temporary_folder
from steps.cli import EXPECTED, exit_code, one_line
from steps.data import frames
from steps.options import BatchScoreOptions, MonitorOptions, PreprocessOptions, TrainOptions
from steps.store import chain, destination, models, runs

if TYPE_CHECKING:
    import pandas as pd

    Table: TypeAlias = "pd.DataFrame | str | Path"
R = TypeVar("R", bound="Finished")
IN_MEMORY = "DataFrame"


@dataclass(frozen=True)
class Finished:
    """The run of a step, with its metrics."""

    run_id: str
    metrics: Mapping[str, float] = field(repr=False)
    exit_code: int = field(repr=False)


@dataclass(frozen=True)
class Prepared(Finished):
    """A run of `preprocess`, to train on."""


@dataclass(frozen=True)
class Trained(Finished):
    """A run of `train`, with its best estimator."""

    @property
    def model_uri(self) -> str:
        """The best estimator's URI, for MLflow."""
        return f"runs:/{self.run_id}/{models.BEST_ESTIMATOR}"

    @property
    def passed_gate(self) -> bool:
        """Whether the model holds what `minimum` and `must_beat` ask for."""
        return self.exit_code != GATE


@dataclass(frozen=True)
class Scored(Finished):
    """A run of `batch_score`; `predictions` is None if they went to a file."""

    predictions: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def drifted(self) -> bool:
        """Whether the rows have drifted, if `on_drift="fail"` asked to know."""
        return self.exit_code == DRIFT


@dataclass(frozen=True)
class Monitored(Finished):
    """A run of `monitor`, with its page `monitor.html`."""

    @property
    def alerted(self) -> bool:
        """Whether something has changed; the tag `monitor.alert` of the run says what."""
        return self.metrics["alerts"] > 0


def use_workspace(config: str = "auto") -> str:
    """Make MLflow log to the Azure ML workspace of a config.json; return the tracking URI.

    `config` is a path, or `auto`: the nearest config.json from here upwards, or without one the
    local store. Call it before a run is active.
    """
    with _one_line_errors():
        return destination.connect(config).uri


def preprocess(
    data: Table, *, test_data: Table | None = None, **options: Unpack[PreprocessOptions]
) -> Prepared:
    """Check a table, split it into training and test rows, and log both with their schema.

    Tables are frames, paths or URIs. The options are the parameters of `preprocess`.
    """
    return _run("preprocess", Prepared, {"data": data, "test_data": test_data, **options})[0]


def train(prepared: Prepared | str = "latest", **options: Unpack[TrainOptions]) -> Trained:
    """Search for the best estimator on the rows of a preprocess run, and log it.

    The options are the parameters of `train`. A model that misses its gate is no error: see
    `Trained.passed_gate`.
    """
    return _run("train", Trained, {"preprocess_run_id": prepared, **options})[0]


def batch_score(
    rows: Table = "holdout",
    *,
    model: Trained | str = "latest",
    output: str | Path | None = None,
    **options: Unpack[BatchScoreOptions],
) -> Scored:
    """Score rows with the model of a train run.

    Without `output` the predictions are returned as a frame with the index of `rows`, so they
    must fit into memory. The options are the parameters of `batch_score`.
    """
    given: dict[str, Any] = {"input": rows, "model": model, **options}
    if output is not None:
        return _run("batch_score", Scored, {**given, "output": output})[0]
    if options.get("on_bad_rows", "fail") != "fail":
        raise StepError(
            "expected an output to set bad rows aside beside it, found none; give output=<path>"
        )
    scored, predictions = _run("batch_score", Scored, given, returned="output")
    if predictions is not None and frames.is_frame(rows):
        predictions.index = rows.index
    return replace(scored, predictions=predictions)


def monitor(
    model: Trained | str = "latest",
    *,
    labels: Table | None = None,
    **options: Unpack[MonitorOptions],
) -> Monitored:
    """Read the scoring runs of a model, draw how it fares over time, and look for alerts.

    `labels` are true values that came later; they are joined by the columns that the option `key`
    names. The options are the parameters of `monitor`. An alert is no error: see
    `Monitored.alerted`.
    """
    return _run("monitor", Monitored, {"model": model, "labels": labels, **options})[0]


def _run(
    name: str, kind: type[R], options: Mapping[str, Any], *, returned: str | None = None
) -> tuple[R, pd.DataFrame | None]:
    """Run a step; `returned` names the parameter of a file to read back as a frame."""
    step = chain.load(name)
    given = {key: getattr(value, "run_id", value) for key, value in options.items()}
    tables = {key: value for key, value in given.items() if frames.is_frame(value)}
    texts = arguments.texts(
        step.parameters, {key: value for key, value in given.items() if key not in tables}
    )
    with _one_line_errors(), temporary_folder(name) as folder, destination.without_bars():
        destination.join()
        paths = {
            key: frames.write(frame, folder / f"{key}.parquet") for key, frame in tables.items()
        }
        if returned is not None:
            paths[returned] = folder / f"{returned}.parquet"
        call = chain.Call.of(step, texts | {key: str(path) for key, path in paths.items()})
        # The run records what a reader understands, not a path that is about to go.
        shown = texts | dict.fromkeys(paths, IN_MEMORY)
        named = replace(call, texts=shown).run_name
        with runs.open_run(name, shown, named, nested=True) as run:
            session = chain.Session(run.client, run.experiment_id, folder)
            source = step.find_source(call.chosen, session)
            result = chain.perform(call, source, run, session)
        for line in result.lines:
            # Nor is this path of use to a reader.
            console.say(line.replace(f"{folder}/output.parquet", IN_MEMORY))
        metrics = run.client.get_run(run.id).data.metrics
        frame = None if returned is None else frames.read(paths[returned])
    return kind(run.id, metrics, result.exit_code), frame


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what may go wrong into StepErrors of one line, which hold no secret."""
    try:
        yield
    except EXPECTED as error:
        raise StepError(one_line(error), exit_code=exit_code(error)) from None
