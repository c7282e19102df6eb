"""What a run holds beside its model may be forged too: each forgery is one line, exit code 2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path

from steps.base.errors import StepError
from steps.data import decisions, profile
from steps.data.decisions import Decision, Decisions
from steps.data.profile import read_profile
from steps.data.schema import Schema
from steps.scoring import drift
from tests.conftest import SMALL, RunStep, all_runs
from tests.scoring.conftest import SCHEMA, TABLE

DEEP = "[" * 100_000
HUGE = "9" * 5_000
HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1 << 63, 10**400, 0.5, float("nan"), float("inf"), -1e308),
    *("", "text", "\ud800", "\0", "\n", [], [[]], [None], [1, "a"], {}, {"a": {}}, {"": []}),
)
WRITTEN = {
    "schema": json.loads(SCHEMA.to_json()),
    "profile": profile.profile(TABLE, 0, SCHEMA),
    "decisions": json.loads(Decisions((Decision("a", "number"),), ("note",)).to_json()),
}


def forged(content: Any) -> Iterator[Any]:
    """Yield copies of JSON content, each with one value replaced by another, or missing."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield {name: each for name, each in content.items() if name != key}
            for other in (*HOSTILE, *forged(value)):
                yield {**content, key: other}
    elif isinstance(content, list) and content:
        for other in (*HOSTILE, *forged(content[0])):
            yield [other, *content[1:]]
        yield [*content, content[0]]


def read_all(name: str, text: str) -> None:
    """Read what a run holds, and do with it what steps do."""
    if name == "schema":
        schema = Schema.from_json(text)
        assert schema.columns
        schema.to_json().encode()
    elif name == "profile":
        bins = drift.read_bins(read_profile(text, SCHEMA), SCHEMA)
        drift.compare([np.array([0, 0, 0, *each.counts]) for each in bins], bins)
    else:
        decisions.Decisions.read(text)


@pytest.mark.parametrize("name", WRITTEN)
def test_each_value_replaced(name: str) -> None:
    read_all(name, json.dumps(WRITTEN[name]))
    refusals = []
    for content in forged(WRITTEN[name]):
        try:
            read_all(name, json.dumps(content))
        except StepError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert not [refusal for refusal in refusals if "\n" in refusal]


@pytest.mark.parametrize("text", [DEEP, "", "null", "[]", "1", HUGE, '"a"', '{"a": ' * 50_000])
@pytest.mark.parametrize("name", WRITTEN)
def test_no_such_content_at_all(name: str, text: str) -> None:
    with pytest.raises(StepError, match="expected "):
        read_all(name, text)


FILES = {
    "schema.json": ('{"features": [1]}', "expected str as an item of schema.features, found int"),
    "profile.json": (DEEP, "expected a profile in JSON"),
    "decisions.json": ('{"columns": [{"column": 1}]}', "expected str as an item of decisions"),
    "train.parquet": ("PAR1 and no more", "run preprocess again"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_step_on_a_forged_run(name: str, run_step: RunStep) -> None:
    prepared = run_step("preprocess")
    text, found = FILES[name]
    stored(prepared.id, name).write_text(text)
    ended = run_step("train", **SMALL | {"report": "true"})
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert f"of the preprocess run {prepared.id}, found a damaged one" in ended.err
    assert found in ended.err
    assert ended.run.info.status == "FAILED"


def test_scoring_with_a_forged_profile(train_id: str, run_step: RunStep, tmp_path: Path) -> None:
    (train,) = all_runs("train")
    stored(train.data.tags["step.upstream_run_id"], "profile.json").write_text("{}")
    ended = run_step("batch_score", model=train_id)
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert "expected profile.rows, found none" in ended.err
    assert not (tmp_path / "predictions.csv").exists()


def stored(run_id: str, name: str) -> Path:
    artifacts = local_file_uri_to_path(MlflowClient().get_run(run_id).info.artifact_uri)
    return Path(artifacts) / "data" / name
