"""Labels that come later: joined by key, counted, and scored as if they had been there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from steps.base.errors import StepError
from steps.data.schema import Schema
from steps.scoring import input_files, keys
from steps.scoring.labelled_binary import BinaryCounts
from steps.scoring.late_labels import Joined, Labels, digest, join, read_labels_table

BINARY = Schema(("x",), "y", ("no", "yes"), ())
NUMBERS = Schema(("x",), "y", (), ())
CLASSES = Schema(("x",), "y", ("a", "b", "c"), ())


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def joined(
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
    folder: Path,
    schema: Schema = BINARY,
    key: tuple[str, ...] = ("id",),
    names: tuple[str, str] = ("predictions.csv", "labels.csv"),
) -> tuple[Labels, Joined]:
    paths = [
        write(frame, folder / name)
        for frame, name in zip((predictions, labels), names, strict=True)
    ]
    found, truth = (input_files.find_files(str(path)) for path in paths)
    read = read_labels_table(truth, key, schema, folder / "labels")
    return read, join(found, read, schema, "run1", folder / "run1")


def table(rows: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give predictions, and their labels in another order."""
    random = np.random.default_rng(seed)
    probability = random.random(rows)
    ids = [f"p-{number:06d}" for number in range(rows)]
    decided = np.where(probability > 0.5, "yes", "no")
    predictions = pd.DataFrame({"id": ids, "prediction": decided, "probability": probability})
    truth = np.where(random.random(rows) < probability, "yes", "no")
    labels = pd.DataFrame({"id": ids, "y": truth}).sample(frac=1, random_state=seed)
    return predictions, labels


@pytest.mark.parametrize("kinds", [(".csv", ".csv"), (".csv.gz", ".parquet"), (".parquet", ".csv")])
def test_scores_are_those_of_labels_that_were_there(tmp_path: Path, kinds: tuple[str, str]) -> None:
    predictions, labels = table(5_000)
    names = (f"p{kinds[0]}", f"l{kinds[1]}")
    read, found = joined(predictions, labels, tmp_path, names=names)
    truth = labels.set_index("id").loc[predictions["id"], "y"].to_numpy()
    wanted = BinaryCounts.count(
        (truth == "yes").astype(np.intp),
        (predictions["prediction"] == "yes").to_numpy().astype(np.intp),
        predictions["probability"].to_numpy(),
    )
    assert found.matched == 5_000
    assert found.metrics["late_rows_labelled"] == 5_000
    for name, value in wanted.scores().items():
        assert found.metrics[f"late_{name}"] == pytest.approx(value, abs=1e-12)
        assert found.metrics[f"late_{name}_low"] < value < found.metrics[f"late_{name}_high"]
    assert str(found) == "5,000 of 5,000 predictions have a label"
    assert str(read) == "5,000 rows"
    # Nothing is left but the labels, which serve the next run too.
    assert list((tmp_path / "run1").iterdir()) == []


def test_duplicate_and_missing_keys_are_counted_and_told(tmp_path: Path) -> None:
    predictions = pd.DataFrame(
        {
            "id": ["a", "b", "b", "c", "d", "", "e"],
            "prediction": ["yes", "no", "yes", "no", "yes", "no", "yes"],
            "probability": [0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6],
        }
    )
    labels = pd.DataFrame(
        {
            # b twice alike, c contradicts itself, d once unknown and once known, e is no class.
            "id": ["a", "b", "b", "c", "c", "d", "d", "", "e", "z"],
            "y": ["yes", "no", "no", "no", "yes", "", "no", "yes", "perhaps", "no"],
        }
    )
    read, found = joined(predictions, labels, tmp_path)
    assert found.matched == 4
    assert str(found) == (
        "4 of 7 predictions have a label (key without a label: 2, without a key: 1, "
        "with a key that came before: 1)"
    )
    assert str(read) == (
        "10 rows (without a key: 1, with a key that came before: 3, "
        "with a label that the model does not know: 1, keys with contradicting labels: 1)"
    )
    # a is right; of the two b one is; d is wrong.
    assert found.metrics["late_accuracy"] == 0.5


def test_key_of_several_columns(tmp_path: Path) -> None:
    predictions = pd.DataFrame(
        {
            "day": ["1", "1", "12"],
            "id": ["12", "2", "2"],
            "prediction": ["yes"] * 3,
            "probability": [0.6] * 3,
        }
    )
    labels = pd.DataFrame({"id": ["2", "2"], "day": ["12", "1"], "y": ["yes", "no"]})
    _, found = joined(predictions, labels, tmp_path, key=("day", "id"))
    assert found.matched == 2
    assert found.metrics["late_accuracy"] == 0.5


def test_numbers_and_their_texts_are_one_key(tmp_path: Path) -> None:
    predictions = pd.DataFrame(
        {"id": ["7", "8 ", "007"], "prediction": ["yes"] * 3, "probability": [0.6] * 3}
    )
    # Whole numbers are floats where one is missing.
    labels = pd.DataFrame({"id": [7.0, 8.0, None], "y": ["yes", "yes", "no"]})
    _, found = joined(predictions, labels, tmp_path, names=("p.csv", "l.parquet"))
    # An identifier with leading zeros is another one.
    assert found.matched == 2


def test_labels_of_a_regression(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    predictions = pd.DataFrame({"id": range(200), "prediction": random.normal(size=200)})
    labels = predictions.rename(columns={"prediction": "y"}).assign(y=lambda f: f["y"] + 2)
    _, found = joined(predictions, labels, tmp_path, NUMBERS)
    assert found.metrics["late_mae"] == pytest.approx(2)
    assert {"late_r2_low", "late_rmse_high", "late_label_mean"} <= found.metrics.keys()


@pytest.mark.parametrize("all_classes", [True, False])
def test_labels_of_several_classes(tmp_path: Path, all_classes: bool) -> None:
    random = np.random.default_rng(2)
    weights = random.dirichlet([1, 1, 1], size=300)
    classes = np.array(CLASSES.classes)[weights.argmax(axis=1)]
    columns: dict[str, Any] = {"id": range(300), "prediction": classes}
    if all_classes:
        columns |= {f"probability_{c}": weights[:, at] for at, c in enumerate(CLASSES.classes)}
    else:
        columns["probability"] = weights.max(axis=1)
    labels = pd.DataFrame({"id": range(300), "y": random.permutation(classes)})
    _, found = joined(pd.DataFrame(columns), labels, tmp_path, CLASSES)
    assert found.metrics["late_accuracy"] == pytest.approx(
        (labels["y"] == columns["prediction"]).mean()
    )
    # The probability of the predicted class alone is no probability of each.
    assert ("late_roc_auc" in found.metrics) == all_classes


def test_nothing_in_common(tmp_path: Path) -> None:
    predictions, labels = table(10)
    _, found = joined(predictions, labels.assign(id="other"), tmp_path)
    assert found.metrics == {}
    assert str(found) == "0 of 10 predictions have a label (key without a label: 10)"


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        ({"id": "key"}, {}, "predictions of run run1"),
        ({}, {"id": "key"}, "labels .*labels.csv"),
        ({}, {"y": "outcome"}, "labels .*labels.csv"),
    ],
)
def test_columns_that_are_not_there(
    tmp_path: Path, predictions: dict[str, str], labels: dict[str, str], message: str
) -> None:
    first, second = table(3)
    with pytest.raises(StepError, match=message):
        joined(first.rename(columns=predictions), second.rename(columns=labels), tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("prediction", "perhaps", "expected classes of the model as predictions"),
        ("probability", "much", "expected numbers as predictions"),
        ("probability", "nan", "expected a number as each prediction"),
    ],
)
def test_predictions_that_are_none(tmp_path: Path, column: str, value: str, message: str) -> None:
    first, second = table(3)
    first[column] = value
    with pytest.raises(StepError, match=message):
        joined(first, second, tmp_path)


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    _, labels = table(3)
    digests = [
        digest(input_files.find_files(str(write(frame, tmp_path / f"{name}.csv"))))
        for name, frame in (("a", labels), ("b", labels), ("c", labels[:2]))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_hashes_differ_and_repeat() -> None:
    texts = keys.key_texts([pa.array([str(number) for number in range(10_000)])])
    found = keys.hashes(texts)
    assert len(np.unique(found[:, 0])) == len(np.unique(found[:, 1])) == 10_000
    assert (found[:, 0] != found[:, 1]).all()
    np.testing.assert_array_equal(keys.hashes(texts.slice(5, 3)), found[5:8])


def test_a_semicolon_separates_labels_too(tmp_path: Path) -> None:
    predictions, labels = table(20)
    write(predictions, tmp_path / "p.csv")
    labels.to_csv(tmp_path / "l.csv", sep=";", index=False)
    read = read_labels_table(
        input_files.find_files(str(tmp_path / "l.csv")), ("id",), BINARY, tmp_path / "labels"
    )
    found = join(
        input_files.find_files(str(tmp_path / "p.csv")), read, BINARY, "run1", tmp_path / "run1"
    )
    assert found.matched == 20
