"""Gate and champion, as decisions."""

from __future__ import annotations

import pytest

from steps.model.bootstrap import Interval
from steps.model.gate import Decision, Duel, Requirements, check, minimum

METRICS = {"test_roc_auc": 0.75, "test_roc_auc_low": 0.68, "test_recall": 0.5}


def fought(low: float, high: float, *, same_split: bool = True) -> Duel:
    return Duel("4", "roc_auc", Interval((low + high) / 2, low, high), same_split=same_split)


def test_minimum_is_read() -> None:
    assert minimum("none") == {}
    assert minimum("test_roc_auc=0.80, test_recall=0.5") == {
        "test_roc_auc": 0.8,
        "test_recall": 0.5,
    }


@pytest.mark.parametrize(
    "text",
    ["roc_auc=0.8", "test_roc_auc", "test_roc_auc=", "test_roc_auc=2", "test_roc_auc=nan", "",
     "test_brier=0.2", "test_f1=0.1,test_f1=0.2", "test_f1=0.1,"],
)  # fmt: skip
def test_minimum_refuses_and_lists_the_metrics(text: str) -> None:
    with pytest.raises(ValueError, match="with metrics of test_roc_auc, test_pr_auc, "):
        minimum(text)


def test_a_reached_minimum_passes_and_a_missed_one_fails_with_its_figures() -> None:
    low, high = {"test_roc_auc": 0.75}, {"test_roc_auc": 0.7, "test_roc_auc_low": 0.7}
    passed = Decision(Requirements(low), checks=check(low, METRICS))
    failed = Decision(Requirements(high), checks=check(high, METRICS))
    assert (passed.passed, passed.tags["gate"]) == (True, "passed")
    assert (failed.passed, failed.tags["gate"]) == (False, "failed")
    assert failed.sentence == "gate failed: test_roc_auc_low 0.680 < 0.7; nothing was registered"
    assert failed.tags["gate.test_roc_auc_low"] == "0.68 (minimum 0.7)"


def test_nothing_asked_nothing_said() -> None:
    assert not Decision().asked
    assert Decision().tags == {}


@pytest.mark.parametrize(
    ("duel", "won"), [(fought(0.01, 0.05), True), (fought(-0.01, 0.05), False),
                      (fought(0.0, 0.0), False), (fought(-0.05, -0.01), False)],
)  # fmt: skip
def test_only_a_clear_win_beats_the_champion(duel: Duel, won: bool) -> None:
    assert duel.won is won
    assert Decision(Requirements(model="m", must_beat=True), duel=duel).passed is won
    assert Decision(Requirements(model="m"), duel=duel).passed


def test_the_decision_tells_the_difference_and_the_versions() -> None:
    decision = Decision(Requirements(model="m"), duel=fought(0.01, 0.05)).registered(
        "5", champion=True
    )
    assert decision.sentence == (
        "registered as m version 5; the new champion: better than champion version 4: difference "
        "of roc_auc +0.030, 95 % interval +0.010 to +0.050"
    )
    assert decision.tags["gate.against_version"] == "4"
    assert decision.tags["gate.difference"] == "roc_auc +0.03 [+0.01, +0.05]"
    assert "gate" not in decision.tags


def test_a_champion_of_another_split_is_said() -> None:
    assert "may have seen these rows" in str(fought(0.01, 0.02, same_split=False))


def test_tags_fit_azure() -> None:
    every = dict.fromkeys(minimum(",".join(f"{m}=0.5" for m in METRICS)), 0.999999)
    duel = fought(-0.123456, 0.123456, same_split=False)
    decision = Decision(Requirements(every, "m" * 100, must_beat=True), check(every, METRICS), duel)
    assert max(len(text) for text in decision.tags.values()) < 1000
