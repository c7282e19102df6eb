"""The entry point `compare`."""

from __future__ import annotations

import pytest

from steps.compare import wanted_runs
from tests.conftest import RunStep, artifacts

SMALL = {"n_estimators": "2", "report": "false"}


@pytest.mark.parametrize("any_store", ["http"], indirect=True)
def test_compare_the_latest_runs_and_named_ones(any_store: str, run_step: RunStep) -> None:
    first = run_step("train", **SMALL, max_depth="1")
    second = run_step("train", **SMALL, max_depth="4")
    latest = run_step("compare")
    assert latest.code == 0
    assert {"comparison.html", "plots/roc_1.png"} == artifacts(latest.id)
    header, *rows = [line for line in latest.out.splitlines() if "[" in line or "Δ roc" in line]
    assert header.split()[:5] == ["run", "best", "max_depth", "max_depth", "roc_auc"]
    assert [second.id[:8] in rows[0], first.id[:8] in rows[1]] == [True, True]
    named = run_step("compare", runs=f"{first.id},{second.id}")
    assert named.out.index(first.id[:8]) < named.out.index(second.id[:8])


@pytest.mark.slow
def test_intervals_are_those_that_train_has_logged(run_step: RunStep) -> None:
    parameters = {**SMALL, "max_depth": "3", "threshold": "f1"}
    trained = [run_step("train", **parameters, seed=seed) for seed in (1, 42)]
    ended = run_step("compare")
    for run in trained:
        (row,) = [line for line in ended.out.splitlines() if run.id[:8] in line]
        for name in ("roc_auc", "f1", "brier"):
            value, low, high = (
                f"{run.run.data.metrics[f'test_{name}{end}']:.3f}" for end in ("", "_low", "_high")
            )
            assert f"{value} [{low}, {high}]" in row


@pytest.mark.slow
def test_runs_with_other_held_out_rows_are_told_apart(run_step: RunStep) -> None:
    run_step("train", **SMALL, max_depth="1")
    run_step("preprocess", seed=3)
    run_step("train", **SMALL, max_depth="1")
    ended = run_step("compare", runs="latest:2")
    assert "2 different sets of held-out rows" in ended.out
    assert "plots/roc_2.png" in artifacts(ended.id)


def test_nothing_to_compare(run_step: RunStep) -> None:
    ended = run_step("compare")
    assert ended.code == 2
    assert "found none; run train first" in ended.err


def test_a_run_of_another_step_is_refused(run_step: RunStep) -> None:
    prepared = run_step("preprocess")
    ended = run_step("compare", runs=prepared.id)
    assert ended.code == 2
    assert "expected the id of a train run, found a run of preprocess" in ended.err


@pytest.mark.parametrize("text", ["latest:0", "latest:x", "latest:", "a,,b", ""])
def test_runs_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="latest:<count>"):
        wanted_runs(text)


def test_runs_are_read() -> None:
    assert wanted_runs("latest:3") == 3
    assert wanted_runs("abc, def,abc") == ("abc", "def")
