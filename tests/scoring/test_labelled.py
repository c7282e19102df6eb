"""Scores from counts equal scikit-learn's from all rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from steps.data.schema import Schema
from steps.data.values import class_of
from steps.model import class_metrics, number_metrics
from steps.model.metrics import SCORERS, scores
from steps.scoring.labelled import LabelledTotal, count_labelled
from steps.scoring.labelled_binary import BinaryCounts
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


def test_unknown_labels_are_bounded() -> None:
    total = Unknown()
    for start in range(0, 5_000, 500):
        total.add(500, {f"id {number}": 1 for number in range(start, start + 500)})
    assert total.rows == 5_000
    assert len(total.texts) == 1_000
    assert str(total).endswith("(1) …")
