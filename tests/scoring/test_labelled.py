"""Scores from counts equal scikit-learn's from all rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats

from steps.data.schema import Schema
from steps.data.values import class_of
from steps.model import bounded, class_metrics, number_metrics
from steps.model.metrics import SCORERS, scores
from steps.scoring.labelled import LabelledTotal, count_labelled
from steps.scoring.labelled_binary import BinaryCounts
from steps.scoring.labelled_classes import ClassCounts
from steps.scoring.labelled_numbers import NumberSums
from steps.scoring.labels import Unknown, read_labels
from steps.scoring.rows import Predicted
from tests.scoring.conftest import FEATURES, PIPELINE, Score, rows


def expected(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    found = scores(truth, probability, 0.5)
    return {name: found[name] for name in SCORERS}


def test_equal_to_scikit_learn(score: Score, tmp_path: Path) -> None:
    table = rows(150_000)
    table.to_csv(tmp_path / "t.csv", index=False)
    probability = PIPELINE.predict_proba(table[FEATURES].astype("float64"))[:, 1]
    wanted = expected(table["Outcome"].to_numpy() == 1, probability)
    found = score(tmp_path / "t.csv").totals.labelled.total()
    assert found is not None
    assert found.scores() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("different", [50, 5_000, 3_000_000])
def test_any_number_of_different_probabilities(different: int) -> None:
    random = np.random.default_rng(0)
    probability = random.integers(0, different, 2_000_000) / different
    actual = (random.random(2_000_000) < probability).astype(np.int8)
    total = LabelledTotal()
    for start in range(0, 2_000_000, 65_536):
        part = slice(start, start + 65_536)
        predicted = (probability[part] > 0.5).astype(np.intp)
        total.add(BinaryCounts.count(actual[part], predicted, probability[part]))
    found = total.total()
    assert found is not None
    assert found.size <= 1 << 20
    wanted = expected(actual == 1, probability)
    assert found.scores() == pytest.approx(wanted, abs=1e-5 if different > 1 << 18 else 1e-12)


def test_rows_without_a_class_are_left_out() -> None:
    found = BinaryCounts.count(
        np.array([1, -1, 0], np.int8), np.array([1, 1, 1]), np.array([0.9, 0.8, 0.7])
    )
    assert found.rows == 2
    assert found.scores()["accuracy"] == 0.5


def test_one_class_has_no_area() -> None:
    found = BinaryCounts.count(np.array([1, 1], np.int8), np.array([1, 0]), np.array([0.9, 0.4]))
    assert found.scores() == {"accuracy": 0.5}


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (pa.array(["0", " 1", "1.0", "", "2"]), (0, 1)),
        (pa.array([0, 1, 1, None, 2]), (0, 1)),
        (pa.array([0.0, 1.0, 1.0, None, 0.5]), (0, 1)),
        (pa.array(["False", "true", "True", "", "x"]), (False, True)),
        (pa.array([False, True, True, None, None]), (False, True)),
        (pa.array(["no", "yes", "yes", "", "maybe"]), ("no", "yes")),
    ],
)
def test_class_of(values: pa.Array, classes: tuple[bool | int | str, ...]) -> None:
    assert class_of(values, classes).tolist() == [0, 1, 1, -1, -1]


def predicted(output: np.ndarray) -> Predicted:
    return Predicted(output, output.argmax(axis=1) if output.ndim == 2 else None)


@pytest.mark.parametrize("classes", [3, 40])
def test_more_classes(classes: int) -> None:
    random = np.random.default_rng(0)
    output = random.dirichlet(np.full(classes, 0.3), 20_000)
    # The last class has no rows.
    actual = np.array([random.choice(classes - 1, p=row[:-1] / row[:-1].sum()) for row in output])
    actual[:100] = -1
    schema = Schema(("x",), "y", tuple(map(str, range(classes))), ())
    total = LabelledTotal()
    for start in range(0, 20_000, 6_000):
        part = slice(start, start + 6_000)
        total.add(count_labelled(actual[part], predicted(output[part]), schema))
    found = total.total()
    assert found is not None
    assert found.rows == 19_900
    wanted = class_metrics.scores(actual[100:], output[100:])
    scored = found.scores()
    assert scored.pop("roc_auc") == pytest.approx(wanted.pop("roc_auc"), abs=1e-3)
    assert scored == pytest.approx(wanted, abs=1e-9)


def test_numbers() -> None:
    random = np.random.default_rng(0)
    actual = random.normal(1e6, 1, 50_000)
    output = actual + random.standard_t(3, 50_000)
    actual[:100] = np.nan
    schema, total = Schema(("x",), "y", (), ()), LabelledTotal()
    for start in range(0, 50_000, 7_000):
        part = slice(start, start + 7_000)
        total.add(count_labelled(actual[part], predicted(output[part]), schema, 2.0))
    found = total.total()
    assert found is not None
    assert found.rows == 49_900
    actual, output = actual[100:], output[100:]
    scored = found.scores()
    assert scored.pop("interval_coverage") == (np.abs(actual - output) <= 2).mean()
    wanted = number_metrics.scores(actual, output)
    median = wanted.pop("median_absolute_error")
    assert scored.pop("median_absolute_error") == pytest.approx(median, rel=1e-3)
    assert scored == pytest.approx(wanted, rel=1e-9)


def test_labels_that_the_model_does_not_know() -> None:
    schema = Schema(("x",), "y", ("no", "yes"), ())
    column = pa.array(["no", " yes", "maybe", None, "", "NA", "maybe", "never"])
    found = read_labels(column, schema)
    assert found.actual.tolist() == [0, 1, -1, -1, -1, -1, -1, -1]
    assert (found.unknown.rows, str(found.unknown)) == (3, "'maybe' (2), 'never' (1)")
    numbers = read_labels(pa.array(["1.5", "?", "many", "1e39"]), Schema(("x",), "y", (), ()))
    np.testing.assert_array_equal(numbers.actual, [1.5, np.nan, np.nan, np.nan])
    assert numbers.unknown.rows == 2
    typed = read_labels(pa.array([1.5, 2.0]), Schema(("x",), "y", (), ()))
    assert (typed.actual.tolist(), typed.unknown.rows) == ([1.5, 2.0], 0)


def test_unknown_labels_are_bounded() -> None:
    total = Unknown()
    for start in range(0, 5_000, 500):
        total.add(500, {f"id {number}": 1 for number in range(start, start + 500)})
    assert total.rows == 5_000
    assert len(total.texts) == 1_000
    assert str(total).endswith("(1) …")


def test_intervals_of_a_binary_classifier_are_those_of_other_formulas() -> None:
    random = np.random.default_rng(0)
    probability = np.round(random.random(4_000), 3)
    truth = random.random(4_000) < probability
    decided = (probability > 0.5).astype(np.intp)
    found = BinaryCounts.count(truth.astype(np.intp), decided, probability).intervals()
    area = bounded.intervals(truth, probability, 0.5, 0)["roc_auc"]
    assert found["roc_auc"].low == pytest.approx(area.low, abs=1e-9)
    assert found["roc_auc"].high == pytest.approx(area.high, abs=1e-9)
    right = int((decided == truth).sum())
    wilson = scipy.stats.binomtest(right, 4_000).proportion_ci(method="wilson")
    assert (found["accuracy"].low, found["accuracy"].high) == pytest.approx(
        (wilson.low, wilson.high)
    )
    for each in found.values():
        assert each.low < each.value < each.high


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    many = random.random(400_000)
    odds = random.random(400_000) < many
    whole = BinaryCounts.count(odds.astype(np.intp), (many > 0.5).astype(np.intp), many).scores()
    inside = dict.fromkeys(whole, 0)
    for _ in range(300):
        rows = random.integers(0, len(many), 200)
        counts = BinaryCounts.count(
            odds[rows].astype(np.intp), (many[rows] > 0.5).astype(np.intp), many[rows]
        )
        for name, each in counts.intervals().items():
            inside[name] += each.low <= whole[name] <= each.high
    for name, number in inside.items():
        assert 0.91 <= number / 300 <= 0.99, name


def test_intervals_of_a_regression_hold_the_truth() -> None:
    random = np.random.default_rng(2)
    inside: dict[str, int] = {}
    # Errors of deviation 1 around labels of deviation 2.
    wanted = {"mae": np.sqrt(2 / np.pi), "rmse": 1.0, "r2": 0.75}
    for _ in range(300):
        actual = 2 * random.normal(size=300)
        sums = NumberSums.count(actual, actual + random.normal(size=300), None)
        for name, each in sums.intervals().items():
            inside[name] = inside.get(name, 0) + (each.low <= wanted[name] <= each.high)
    for name, number in inside.items():
        assert 0.91 <= number / 300 <= 0.99, name


@pytest.mark.parametrize("size", [1e-100, 1.0, 1e100])
def test_intervals_of_errors_of_any_size(size: float) -> None:
    actual = size * np.arange(5.0)
    found = NumberSums.count(actual, actual + size * np.array([1, -1, 2, 0, 1]), None).intervals()
    assert 0 <= found["mae"].low < size < found["mae"].high


def test_intervals_of_several_classes() -> None:
    random = np.random.default_rng(3)
    weights = random.dirichlet([1, 1, 1], size=500)
    counts = ClassCounts.count(random.integers(0, 3, 500), weights.argmax(axis=1), weights)
    found = counts.intervals()
    assert set(found) == {"accuracy", "balanced_accuracy"}
    assert all(each.low < each.value < each.high for each in found.values())
    nothing = ClassCounts.count(np.full(1, -1), np.zeros(1, dtype=np.intp), weights[:1])
    assert nothing.intervals() == {}


def test_no_rows_have_no_intervals() -> None:
    empty = np.array([], dtype=np.intp)
    assert BinaryCounts.count(empty, empty, empty.astype(float)).intervals() == {}
    assert NumberSums.count(np.array([]), np.array([]), None).intervals() == {}
