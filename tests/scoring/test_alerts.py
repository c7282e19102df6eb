"""A year of weekly tables: drift is found within two weeks, and chance raises no alarm."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steps.model.evaluation import evaluate
from steps.model.reference import Reference
from steps.scoring import alerts
from steps.scoring.windows import Window, of_newest_model, spells
from tests.model.trained import train
from tests.scoring.weeks import ROWS, Drifted, Weeks

THRESHOLD, ONSET = 0.2, 20


@pytest.fixture(scope="module")
def weeks() -> Weeks:
    trained = train({"clf__n_estimators": [30], "clf__max_depth": [4]})
    return Weeks(trained, evaluate(trained, 0.5, details=False))


def covariate(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Measure glucose otherwise."""
    return frame.assign(Glucose=frame["Glucose"] + 25)


def prior(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Draw twice as many patients with diabetes; each class looks as before."""
    positive, negative = (frame[frame["Outcome"] == label] for label in (1, 0))
    number = random.binomial(len(frame), 0.7)
    drawn = [(positive, number), (negative, len(frame) - number)]
    parts = [part.iloc[random.integers(0, len(part), count)] for part, count in drawn]
    return pd.concat(parts, ignore_index=True)


def concept(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Make the outcome independent of the measurements."""
    return frame.assign(Outcome=random.permutation(frame["Outcome"].to_numpy()))


@pytest.mark.parametrize(
    ("change", "labelled", "kinds"),
    [
        (covariate, False, {"feature Glucose"}),
        (prior, False, {"feature", "mean probability"}),
        (prior, True, {"feature", "mean probability", "label positive rate"}),
        (concept, True, {"score roc_auc"}),
    ],
)
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_drift_is_found_within_two_weeks(
    weeks: Weeks, change: Drifted, labelled: bool, kinds: set[str], seed: int
) -> None:
    year = weeks.year(seed, change, ONSET, labelled=labelled)
    alarms = alerts.alarming(year, THRESHOLD)
    assert not any(alarms[:ONSET])
    assert any(alarms[ONSET : ONSET + 2])
    # From then on it goes on being found, and the alert knows since when.
    assert all(alarms[ONSET + 2 :])
    newest = alerts.judge(year, THRESHOLD)
    assert {alert.since.run_id for alert in newest} & {f"run{ONSET + late:04d}" for late in (0, 1)}
    assert any(alert.signal.what.startswith(tuple(kinds)) for alert in newest)


@pytest.mark.slow
def test_twenty_years_without_drift_raise_one_alarm_at_most(weeks: Weeks) -> None:
    alarms = 0
    for seed in range(20):
        year = weeks.year(100 + seed)
        alarms += sum(map(bool, alerts.alarming(year, THRESHOLD)))
    assert alarms <= 1


def test_means_and_shares_alarm_as_rarely_as_they_should(weeks: Weeks) -> None:
    """At a limit that a simulation can see: at most 1 % of the windows, of 10,000."""
    random = np.random.default_rng(0)
    for level in (*weeks.reference.levels, *weeks.reference.labels):
        alarms = 0
        for _ in range(2_000):
            sizes = (level.rows, ROWS)
            if level.is_share:
                drawn = [random.binomial(size, level.value) / size for size in sizes]
            else:
                drawn = [
                    level.value + level.spread * random.normal() / math.sqrt(size) for size in sizes
                ]
            known = replace(level, value=drawn[0])
            alarms += alerts.chance_of_level(known, drawn[1], ROWS) < 0.01
        assert alarms / 2_000 < 0.02


def test_an_alert_says_what_since_when_by_how_much_and_where_to_look(weeks: Weeks) -> None:
    year = weeks.year(1, covariate, 4, weeks=6)
    (first, *_) = alerts.judge(year, THRESHOLD)
    text = str(first)
    assert text.startswith("feature Glucose has drifted: PSI 0.")
    assert "over 0.2, since 2026-02-02 00:00, 2 windows; look at drift.html of run run0005" in text
    assert "\n" not in text


def test_another_model_begins_anew(weeks: Weeks) -> None:
    """What alarmed under the model before is not held against this one, nor counted as since."""
    before = weeks.year(1, covariate, 0, weeks=4)
    drifted = [replace(each, tags={**each.tags, "model.run_id": "new"}) for each in before]
    assert alerts.judge(before + drifted[:2], THRESHOLD)[0].windows == 2
    (like_training,) = weeks.year(1, weeks=1)
    fine = replace(like_training, tags={**like_training.tags, "model.run_id": "new"})
    assert alerts.judge([*before, fine], THRESHOLD) == []
    assert [place for place, _ in spells([*before, fine])] == [0, 4]
    assert of_newest_model([*before, fine]) == [fine]


def test_labels_of_earlier_windows_count_until_newer_ones_come(weeks: Weeks) -> None:
    labelled = weeks.year(2, concept, 0, weeks=3)
    unlabelled = weeks.year(3, weeks=3, labelled=False)
    found = alerts.judge([*labelled, *unlabelled], THRESHOLD)
    assert {alert.signal.what for alert in found} == {"score roc_auc", "score accuracy"}
    assert found[0].window is labelled[-1]


def test_a_small_index_is_no_alarm_however_certain(weeks: Weeks) -> None:
    year = weeks.year(1, covariate, 0, weeks=1)
    assert "feature Glucose" in {each.signal.what for each in alerts.judge(year, THRESHOLD)}
    assert "feature Glucose" not in {each.signal.what for each in alerts.judge(year, 5.0)}


def test_a_small_shift_is_no_alarm_however_certain(weeks: Weeks) -> None:
    """A table of a million rows shows that nothing is quite as it was."""
    (window,) = weeks.year(1, weeks=1)
    many = {"rows_scored": 1e6, "rows_labelled": 1e6}
    mean = weeks.reference.levels[0].value
    near = replace(window, metrics={**window.metrics, **many, "mean_probability": mean + 0.015})
    far = replace(window, metrics={**window.metrics, **many, "mean_probability": mean + 0.15})
    assert not any("mean" in alert.signal.what for alert in alerts.judge([near], THRESHOLD))
    assert any("mean" in alert.signal.what for alert in alerts.judge([far], THRESHOLD))
    score = weeks.reference.scores[0]
    for drop, alarms in ((0.01, False), (0.2, True)):
        value = score.value - drop
        ends = {"scored_roc_auc": value, "scored_roc_auc_low": value, "scored_roc_auc_high": value}
        exact = replace(score, low=score.value, high=score.value)
        known = replace(weeks.reference, scores=(exact,))
        tags = {**window.tags, "model.reference": known.to_text()}
        fallen = replace(window, metrics={**window.metrics, **many, **ends}, tags=tags)
        found = alerts.judge([fallen], THRESHOLD)
        assert any("roc_auc" in alert.signal.what for alert in found) == alarms


def test_few_rows_raise_no_alarm(weeks: Weeks) -> None:
    for seed in range(20):
        assert alerts.judge(weeks.year(seed, weeks=1, rows=7), THRESHOLD) == []


def test_a_run_without_expectations_raises_no_alarm() -> None:
    window = Window.of("old", 0, {"rows_scored": 10.0, "predicted_positive_rate": 1.0}, {})
    assert alerts.judge([window], THRESHOLD) == []
    assert window.reference is None


@pytest.mark.parametrize(
    "tags",
    [
        {"model.reference": "{"},
        {"model.reference": '{"levels": 3}'},
        {"drift.features": '{"features": "x", "unlikely": [[1]]}'},
        {"drift.features": "[1]"},
        {"drift.features": '{"features": 2, "unlikely": [["x", "y", "z"]]}'},
    ],
)
def test_odd_tags_are_passed_over(tags: dict[str, str]) -> None:
    window = Window.of("odd", 0, {"rows_scored": 10.0}, tags)
    assert (window.reference, window.features, window.unlikely) == (None, 0, ())


MINIMUM = {"test_roc_auc": 0.99, "test_accuracy_low": 0.1}


def test_minimum_of_the_newest_labels(weeks: Weeks) -> None:
    year = weeks.year(5, weeks=2)
    missed, unknown = alerts.below_minimum(year, MINIMUM)
    assert [alert.signal.what for alert in missed] == ["score roc_auc"]
    assert "minimum 0.99" in str(missed[0])
    assert unknown == []
    # A window without labels does not hide those of the one before.
    later = [*year, *weeks.year(6, weeks=1, labelled=False)]
    assert alerts.below_minimum(later, MINIMUM)[0][0].window is year[1]


def test_minimum_without_labels_takes_the_estimate(weeks: Weeks) -> None:
    year = weeks.year(5, weeks=1, labelled=False)
    missed, unknown = alerts.below_minimum(year, MINIMUM)
    assert "an estimate, without labels" in str(missed[0])
    assert unknown == ["test_accuracy_low"]


def test_reference_survives_a_tag(weeks: Weeks) -> None:
    text = weeks.reference.to_text()
    assert len(text) < 1000
    again = Reference.from_text(text)
    assert again == Reference.from_json(weeks.reference.to_json())
    for found, wanted in zip(again.levels, weeks.reference.levels, strict=True):
        assert found.value == pytest.approx(wanted.value, rel=1e-5)


def test_window_of_a_run() -> None:
    metrics: dict[str, Any] = {
        "rows_scored": 90.0,
        "rows_rejected": 2.0,
        "late_rows_labelled": 80.0,
        "late_roc_auc": 0.8,
        "late_roc_auc_low": 0.7,
        "late_roc_auc_high": 0.9,
        "late_log_loss": 0.4,
        "late_label_positive_rate": 0.3,
        "drift.psi.a.b": 0.1,
        "drift.unseen.c": 4.0,
    }
    window = Window.of("r", 86_400_000, metrics, {"model.version": "3"})
    assert (window.day, window.version, window.is_late) == ("1970-01-02", "version 3", True)
    assert (window.rows, window.rejected, window.labelled) == (90, 2, 80)
    assert set(window.scores) == {"roc_auc", "log_loss"}
    assert math.isnan(window.scores["log_loss"].low)
    assert (window.psi, window.unseen) == ({"a.b": 0.1}, {"c": 4.0})
    assert window.label_level("label_positive_rate") == 0.3
