"""Tables with categories, dates and booleans, of any encoding, for each task: as pandas has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from steps.base.errors import StepError
from steps.data.schema import Schema
from steps.model.pipeline import build_pipeline
from steps.scoring import drift, input_files, score_files, stream, summary
from steps.scoring.plan import Request
from steps.scoring.predictor import Predictor
from tests.data.tables import prepared

COUNT = 60_000


def table(count: int, seed: int) -> pd.DataFrame:
    """Draw rows with a number, a category, a boolean and a date."""
    random = np.random.default_rng(seed)
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 300, count), "D")
    frame = pd.DataFrame(
        {
            "amount": random.integers(0, 5000, count) / 10,
            "purpose": random.choice(["car", "tv, radio", "Büro", "education"], count),
            "owner": random.choice(["yes", "no"], count),
            "when": days.strftime("%Y-%m-%d"),
        }
    )
    chance = (frame["amount"] / 500 + (frame["purpose"] == "car") + (frame["owner"] == "yes")) / 3
    frame["y"] = np.where(random.random(count) < chance, "good", "bad")
    return frame


class Model:
    """What preprocess and train make of a table."""

    def __init__(self, folder: Path, frame: pd.DataFrame, **wanted: Any) -> None:
        frame.to_csv(folder / "train.csv", index=False)
        made = prepared(folder / "train.csv", **wanted)
        self.schema: Schema = made.schema
        features = made.table.select(list(self.schema.features)).to_pandas()
        for name in self.schema.categories:
            features[name] = features[name].astype(object)
        labels = made.table.column("y").to_numpy()
        self.pipeline = build_pipeline(self.schema, 0, n_estimators=5, max_depth=5)
        self.pipeline.fit(features, labels)
        from steps.data.profile import profile

        self.bins = drift.read_bins(profile(made.table, 0, self.schema), self.schema)

    def frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Make the model's input by hand."""
        when = pd.to_datetime(rows["when"])
        parts = {
            "when.days": (when - pd.Timestamp("1970-01-01")).dt.days,
            "when.month": when.dt.month,
            "when.weekday": when.dt.weekday,
        }
        frame = rows.assign(owner=(rows["owner"] == "yes").astype(float), **parts)
        return frame[list(self.schema.features)].astype(
            {name: float for name in self.schema.features if name not in self.schema.categories}
        )

    def score(self, location: Path, output: Path, **request: Any) -> score_files.ScoringResult:
        files = input_files.find_files(str(location))
        return score_files.score_files(
            files,
            Predictor(self.pipeline, self.schema, 0.5),
            self.schema,
            Request(output, **({"delimiter": ","} | request)),
            self.bins,
        )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tmp_path_factory.mktemp("model"), table(3_000, 0))


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, float_precision="round_trip")


def write(rows: pd.DataFrame, path: Path) -> None:
    if path.name == "categorical.parquet":
        rows = rows.astype({"purpose": "category", "owner": "category"}).assign(
            when=pd.to_datetime(rows["when"])
        )
    rows.to_parquet(path) if path.suffix == ".parquet" else rows.to_csv(path, index=False)


@pytest.mark.parametrize("source", ["t.csv", "t.csv.gz", "t.parquet", "categorical.parquet"])
@pytest.mark.parametrize("output", ["p.csv", "p.parquet"])
def test_same_as_the_notebook_way(model: Model, source: str, output: str, tmp_path: Path) -> None:
    assert model.schema.categories == ("purpose",)
    rows = table(COUNT, 1)
    rows.loc[5:9, "purpose"], rows.loc[20:29, "purpose"] = None, "boat"
    write(rows, tmp_path / source)
    result = model.score(tmp_path / source, tmp_path / output)
    wanted = model.frame(rows)
    found = read(tmp_path / output)
    assert found["prediction"].tolist() == model.pipeline.predict(wanted).tolist()
    probability = model.pipeline.predict_proba(wanted)[:, 1]
    assert found["probability"].tolist() == probability.tolist()
    if source != "categorical.parquet":
        # What is kept of a CSV is text: an empty cell is an empty text.
        kept = found[list(rows)].fillna("")
        pd.testing.assert_frame_equal(kept, rows.fillna(""), check_dtype=False)
    assert result.totals.unseen == {"purpose": 10}
    assert summary.metrics(result)["drift.unseen.purpose"] == 10
    assert "purpose 10" in summary.lines(result, output)[1]
    assert not [each.name for each in result.drift if each.is_over(0.2)]


def test_what_is_bad_is_told_apart(model: Model, tmp_path: Path) -> None:
    rows = table(1_000, 2).astype(object)
    rows.loc[10, "amount"], rows.loc[20, "owner"] = "many", "perhaps"
    rows.loc[30, "when"], rows.loc[40, "purpose"] = "2026-02-30", "boat"
    for name in ("t.csv", "t.parquet"):
        write(rows.astype(str), tmp_path / name)
        result = model.score(tmp_path / name, tmp_path / "p.csv", quarantine=True)
        assert (result.totals.rejected, result.totals.unseen["purpose"]) == (3, 1)
        rejected = pd.read_csv(tmp_path / "p.csv.rejected.csv")
        assert rejected["row"].tolist() == [11, 21, 31]
        words = ["expected a number in column amount, found 'many'", "found 'perhaps'"]
        for reason, word in zip(rejected["reason"], [*words, "a date such as"], strict=True):
            assert word in reason
        kept = model.frame(rows.drop(index=[10, 20, 30]).reset_index(drop=True))
        probability = model.pipeline.predict_proba(kept)[:, 1]
        assert read(tmp_path / "p.csv")["probability"].tolist() == probability.tolist()


def test_types_of_other_libraries(model: Model, tmp_path: Path) -> None:
    rows = pa.Table.from_pandas(table(5, 1), preserve_index=False)
    amounts = rows["amount"].to_pylist()
    amounts[1] = float("inf")
    rows = rows.set_column(0, "amount", pa.array(amounts))
    rows = rows.append_column("view", pa.array(["a", None, "b", "c", "d"], pa.string_view()))
    rows = rows.append_column("took", pa.array([1500, None, 0, 1, 2], pa.duration("ms")))
    pa.parquet.write_table(rows, tmp_path / "t.parquet")
    keep = ("view", "took")
    model.score(tmp_path / "t.parquet", tmp_path / "p.csv", keep=keep, quarantine=True)
    found = read(tmp_path / "p.csv")
    assert found["view"].tolist() == ["a", "b", "c", "d"]
    assert found["took"].tolist() == [1.5, 0.0, 0.001, 0.002]


def test_all_columns_of_wrong_types_are_named(model: Model, tmp_path: Path) -> None:
    rows = pa.Table.from_pandas(table(5, 1), preserve_index=False)
    lists = pa.array([[1]] * 5)
    rows = rows.set_column(0, "amount", rows["y"]).set_column(1, "purpose", lists)
    rows = rows.set_column(3, "when", pa.array([1, 2, 3, 4, 5])).append_column("more", lists)
    pa.parquet.write_table(rows, tmp_path / "t.parquet")
    expected = "expected text in column purpose .*, found list<.*; expected dates in column when .*"
    with pytest.raises(StepError, match=expected):
        model.score(tmp_path / "t.parquet", tmp_path / "p.parquet")
    with pytest.raises(StepError, match=r"found purpose of type list<.*, more of type list<"):
        model.score(tmp_path / "t.parquet", tmp_path / "p.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_other_encodings(model: Model, encoding: str, tmp_path: Path) -> None:
    rows = table(COUNT, 3)
    rows.to_csv(tmp_path / "t.csv", index=False, encoding=encoding)
    own = "auto" if encoding == "utf-16" else encoding
    other = Model.__new__(Model)
    other.__dict__ |= model.__dict__ | {
        "schema": Schema(**(model.schema.__dict__ | {"encoding": own}))
    }
    other.score(tmp_path / "t.csv", tmp_path / "p.csv")
    found = read(tmp_path / "p.csv")
    pd.testing.assert_frame_equal(found[list(rows)], rows, check_dtype=False)
    probability = model.pipeline.predict_proba(model.frame(rows))[:, 1]
    assert found["probability"].tolist() == probability.tolist()
    if encoding == "cp1252":
        # A byte that it does not have is in one row only.
        lines = (tmp_path / "t.csv").read_bytes().split(b"\n")
        lines[50_000] = b"1,\x81,yes,2026-01-01,good"
        (tmp_path / "t.csv").write_bytes(b"\n".join(lines))
        with pytest.raises(StepError, match=r"row 50000 \(line 50001\): expected cp1252 text"):
            other.score(tmp_path / "t.csv", tmp_path / "p.csv")


def test_more_classes_and_numbers(tmp_path: Path) -> None:
    rows = table(2_000, 4)
    rows["y"] = np.where(rows["amount"] > 400, "high", rows["y"])
    rows.to_csv(tmp_path / "t.csv", index=False)
    three = Model(tmp_path, rows)
    result = three.score(tmp_path / "t.csv", tmp_path / "p.csv", keep=())
    found, probability = read(tmp_path / "p.csv"), three.pipeline.predict_proba(three.frame(rows))
    assert list(found) == ["prediction", "probability"]
    assert found["probability"].tolist() == probability.max(axis=1).tolist()
    figures = summary.metrics(result)
    assert figures["scored_accuracy"] == (found["prediction"] == rows["y"]).mean()
    assert figures["predicted_share.high"] == (found["prediction"] == "high").mean()
    three.score(tmp_path / "t.csv", tmp_path / "p.csv", keep=(), all_probabilities=True)
    names = ["prediction", "probability_bad", "probability_good", "probability_high"]
    assert list(read(tmp_path / "p.csv")) == names

    rows["y"] = rows["amount"] * 1.5 + (rows["purpose"] == "car")
    rows.to_csv(tmp_path / "t.csv", index=False)
    numbers = Model(tmp_path, rows)
    assert numbers.schema.classes == ()
    for output in ("p.csv", "p.parquet"):
        result = numbers.score(tmp_path / "t.csv", tmp_path / output, keep=("y",), half_width=1.0)
        found = read(tmp_path / output)
        assert (
            found["prediction"].tolist() == numbers.pipeline.predict(numbers.frame(rows)).tolist()
        )
        assert found["prediction_low"].tolist() == (found["prediction"] - 1).tolist()
        assert found["prediction_high"].tolist() == (found["prediction"] + 1).tolist()
        inside = (rows["y"] - found["prediction"]).abs() <= 1
        figures = summary.metrics(result)
        assert figures["scored_interval_coverage"] == inside.mean()
        assert figures["mean_prediction"] == pytest.approx(found["prediction"].mean())
        assert "on average" in summary.lines(result, output)[0]


def test_labels_of_another_table_are_told(model: Model, tmp_path: Path) -> None:
    rows = table(300, 5)
    rows.loc[:59, "y"] = "maybe"
    write(rows, tmp_path / "t.csv")
    result = model.score(tmp_path / "t.csv", tmp_path / "p.csv")
    warning = summary.label_warning(result)
    assert warning is not None
    assert warning.startswith(
        "240 of 300 scored rows have a label that the model knows (bad, good)"
    )
    assert "60 have another: 'maybe' (60)" in warning
    figures = summary.metrics(result)
    assert (figures["rows_labelled"], figures["rows_label_unknown"]) == (240, 60)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_input_that_changes_while_it_is_read(
    model: Model,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(table(COUNT, 6), tmp_path / name)
    (tmp_path / "p.csv").write_text("of before")
    content = (tmp_path / name).read_bytes()

    def cut(*arguments: Any, **others: Any) -> stream.Totals:
        totals = scored(*arguments, **others)
        # At the end of a row, so that what is left is a table; or the same size, rewritten.
        end = content.rfind(b"\n", 0, len(content) // 2) + 1
        (tmp_path / name).write_bytes(content[:end] if name == "t.csv" else content)
        return totals

    scored = stream.score
    monkeypatch.setattr("steps.scoring.stream.score", cut)
    with pytest.raises(StepError, match="to stay as it is while it is read"):
        model.score(tmp_path / name, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == "of before"


def test_an_early_model_knows_numbers_only() -> None:
    """What a schema did not have before is read as it was then."""
    early = {"features": ["x"], "target": "y", "classes": [0, 1], "zero_as_missing": []}
    schema = Schema.from_dict(early)
    chunk = pa.array(["1", " 2.5", "NA", ""])
    from steps.data.features import read_features

    found = read_features(lambda name: chunk, schema)
    np.testing.assert_array_equal(found.arrays["x"], [1, 2.5, np.nan, np.nan])


@pytest.mark.slow
@pytest.mark.parametrize("source", ["t.csv", "t.parquet"])
def test_workers_count_unseen_categories_as_this_process_does(
    model: Model, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.scoring.dask_scoring.CSV_SECTION_BYTES", 1 << 20)
    rows = table(100_000, 1)
    # Each part has texts of its own: those of one part are unseen in others, too.
    rows.loc[5:9, "purpose"], rows.loc[20:29, "purpose"] = None, "boat"
    rows.loc[len(rows) - 7 :, "purpose"] = "bicycle"
    path = tmp_path / source
    rows.to_parquet(path, row_group_size=40_000) if path.suffix == ".parquet" else write(rows, path)
    here = model.score(path, tmp_path / "here.parquet")
    there = model.score(path, tmp_path / "there", scheduler="local")
    assert len([*(tmp_path / "there").iterdir()]) > 1
    found = pd.read_parquet(tmp_path / "there")
    pd.testing.assert_frame_equal(found, read(tmp_path / "here.parquet"))
    assert there.totals.unseen == here.totals.unseen == {"purpose": 17}
    assert summary.metrics(there)["drift.unseen.purpose"] == 17
    assert [each.psi for each in there.drift] == [each.psi for each in here.drift]
    probability = model.pipeline.predict_proba(model.frame(rows))[:, 1]
    assert found["probability"].tolist() == probability.tolist()
