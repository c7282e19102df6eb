"""Scores from counts equal scikit-learn's from all rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from steps.data.values import class_of
from steps.model.metrics import SCORERS, scores
from steps.scoring.labelled import Labelled, LabelledTotal
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
        total.add(Labelled.count(actual[part], predicted, probability[part]))
    found = total.total()
    assert found is not None
    assert len(found.probabilities) <= 1 << 20
    wanted = expected(actual == 1, probability)
    assert found.scores() == pytest.approx(wanted, abs=1e-5 if different > 1 << 18 else 1e-12)


def test_rows_without_a_class_are_left_out() -> None:
    found = Labelled.count(
        np.array([1, -1, 0], np.int8), np.array([1, 1, 1]), np.array([0.9, 0.8, 0.7])
    )
    assert found.rows == 2
    assert found.scores()["accuracy"] == 0.5


def test_one_class_has_no_area() -> None:
    found = Labelled.count(np.array([1, 1], np.int8), np.array([1, 0]), np.array([0.9, 0.4]))
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
