"""Names of runs: what they say, what they never say, and whose names stay."""

from __future__ import annotations

import os

import pytest
from mlflow.tracking import MlflowClient
from mlflow.utils.name_utils import _generate_random_name

from steps.base.parameters import defaults
from steps.store.chain import Call, load
from steps.store.run_names import LONGEST, is_generated
from tests.conftest import RunStep


def name_of(step: str, **texts: str) -> str:
    found = load(step)
    return Call(found, defaults(found.parameters) | texts, None).run_name


@pytest.mark.parametrize(
    ("step", "texts", "expected"),
    [
        ("main", {}, "main"),
        ("main", {"data": "rows/churn.csv", "target": "left"}, "main: churn.csv, target=left"),
        ("preprocess", {"data": "rows/"}, "preprocess: rows"),
        ("train", {"max_depth": "3"}, "train: max_depth=3"),
        ("train", {"jobs": "2", "resume": "false", "workspace": "none"}, "train"),
        ("batch_score", {"input": "new.csv", "output": "scored.parquet"}, "batch_score: new.csv"),
        ("batch_score", {"model": "models:/m@champion"}, "batch_score: model=models:/m@champion"),
        ("compare", {}, "compare"),
    ],
)
def test_a_run_is_named_by_what_sets_it_apart(
    step: str, texts: dict[str, str], expected: str
) -> None:
    assert name_of(step, **texts) == expected


@pytest.mark.parametrize(
    "location",
    [
        "https://me:hunter2@host/rows/new.csv?sig=hunter2/hunter2",
        "https://host/rows/new.csv?sig=hunter2",
        "s3://key:hunter2@bucket/new.csv",
    ],
)
def test_a_name_holds_no_secret(location: str) -> None:
    assert name_of("batch_score", input=location) == "batch_score: new.csv"
    assert "hunter2" not in name_of("batch_score", model=location)


def test_a_name_is_one_short_line() -> None:
    long = name_of("train", grid='{"clf__max_depth":\n [1, 2, 3, 4, 5, 6, 7, 8, 9]}', metric="f1")
    assert long == 'train: grid={"clf__max_depth": [1, 2, 3, 4,…, metric=f1'
    assert len(name_of("main", features=",".join("abcdefgh" * 20), target="x" * 90)) <= LONGEST


def test_names_that_mlflow_makes_up_are_known() -> None:
    assert all(is_generated(_generate_random_name()) for _ in range(200))
    for given in ("train", "my-run-3", "calm-seas-12", "calm-hog", "calm-hog-12b", ""):
        assert not is_generated(given), given


@pytest.mark.parametrize("given", [None, "calm-hog", "nightly-rf-3"])
def test_a_joined_run_keeps_a_given_name(
    given: str | None, any_store: str, run_step: RunStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `mlflow run` does it, with and without `--run-name`."""
    client = MlflowClient()
    experiment_id = client.create_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
    made = client.create_run(experiment_id, run_name=given)
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    ended = run_step("preprocess", test_size="0.5")
    assert ended.code == 0
    assert ended.id == made.info.run_id
    assert ended.run.info.run_name == (given or "preprocess: test_size=0.5")
    assert ended.run.data.tags["mlflow.runName"] == ended.run.info.run_name
