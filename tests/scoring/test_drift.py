"""Drift is counted exactly, in pieces, and told from chance."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steps.data.profile import profile
from steps.data.schema import Schema
from steps.report import drift_page
from steps.scoring import drift
from steps.scoring.bins import NumberBins
from tests.scoring.conftest import BINS, FEATURES, FRAME, SCHEMA, TABLE, Score, rows

VALUES = arrays(
    np.float64,
    st.integers(1, 50),
    elements=st.one_of(st.sampled_from([0.0, -0.0, np.nan, 1.0, 2.0]), st.floats(-10, 10)),
)


@given(VALUES, st.lists(st.integers(-5, 5), max_size=6, unique=True), st.booleans())
def test_counts(values: np.ndarray, edges: list[int], zero_is_missing: bool) -> None:
    bins = NumberBins(
        "x", np.sort(np.array(edges, float)), np.ones(len(edges) + 1), 0, -2, 3, zero_is_missing
    )
    missing = np.isnan(values) | (zero_is_missing & (values == 0))
    present = values[~missing]
    naive = np.bincount(np.searchsorted(bins.edges, present), minlength=len(edges) + 1)
    wanted = [missing.sum(), (present < -2).sum(), (present > 3).sum(), *naive]
    np.testing.assert_array_equal(drift.count([values], (bins,))[0], wanted)


def page(found: tuple[drift.Drift, ...], folder: Path, rows: int = 768) -> str:
    drift_page.write(folder, found, 0.2, rows)
    return (folder / drift_page.NAME).read_text(encoding="utf-8")


def test_training_rows_have_not_drifted() -> None:
    counted = drift.count([FRAME[name].to_numpy() for name in FEATURES], BINS)
    for found, bins in zip(drift.compare(counted, BINS), BINS, strict=True):
        assert found.psi == 0
        assert found.missing == pytest.approx(bins.missing)
        assert (found.below, found.above) == (0, 0)
        np.testing.assert_array_equal(found.scored, found.trained)
        np.testing.assert_array_equal(found.scored[: len(bins.counts)], bins.counts)


def test_index_of_a_known_case() -> None:
    # (0.4 - 0.6) ln(0.4 / 0.6) + (0.6 - 0.4) ln(0.6 / 0.4), without the half rows' trace.
    found = drift.stability_index(np.array([600_000, 400_000]), np.array([400_000, 600_000]))
    assert found == pytest.approx(0.4 * np.log(1.5), rel=1e-5)


def test_a_column_that_loses_its_values_has_drifted(tmp_path: Path) -> None:
    columns = [FRAME[name].to_numpy().copy() for name in FEATURES]
    columns[0][:300] = np.nan
    columns[1][:] = np.nan
    found = drift.compare(drift.count(columns, BINS), BINS)
    assert [each.is_over(0.2) for each in found] == [True, True] + [False] * 6
    assert [each.missing for each in found[:2]] == [300 / 768, 1]
    assert "missing" in page(found, tmp_path)


def test_rate_of_false_alarms() -> None:
    random = np.random.default_rng(0)
    schema = Schema(("x",), "y", (0, 1), ())
    over = 0
    for _ in range(300):
        train, scored = random.normal(size=500), random.normal(size=60)
        frame = pd.DataFrame({"x": train, "y": np.arange(500) % 2})
        bins = drift.read_bins(profile(pa.Table.from_pandas(frame), 0, schema), schema)
        found = drift.compare(drift.count([scored], bins), bins)[0]
        over += found.is_beyond_chance
        assert not found.is_over(1.0)
    assert over / 300 < 0.05


# Shares of bins: deciles, a flag, a rare flag (of 200 rows about 6 have it), and texts, some rare.
SHARES = {
    "deciles": np.full(10, 0.1),
    "flag": np.array([0.3, 0.7]),
    "rare": np.array([0.03, 0.97]),
    "texts": 1 / np.arange(1, 31) / np.sum(1 / np.arange(1, 31)),
}


@pytest.mark.slow
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("rows", [50, 200, 5_000, 1_000_000])
@pytest.mark.parametrize("columns", [1, 10, 100, 1_000])
def test_a_table_that_has_not_drifted(shares: str, rows: int, columns: int) -> None:
    """At most 5 % of such tables raise any alarm, even without a least index."""
    random = np.random.default_rng(rows + columns)
    limit = drift.FALSE_ALARMS / drift.CAUTION / columns
    tables = 400 if columns == 1 else max(3, 2_000 // columns)
    alarms = 0
    for trained in (300, 100_000):
        size = (tables * columns, 2)
        drawn = np.stack(
            [random.multinomial(count, SHARES[shares], size[0]) for count in (trained, rows)], 1
        )
        chances = np.array([drift.chance(*pair) for pair in drawn])
        alarms += int((chances.reshape(tables, columns) < limit).any(axis=1).sum())
    # What 95 of 100 such simulations stay below if the rate is 5 %.
    assert alarms <= scipy.stats.binom.ppf(0.95, 2 * tables, drift.FALSE_ALARMS)


def test_chance_is_that_of_scipy() -> None:
    table = np.array([[30, 50, 0, 20], [12, 70, 0, 9]])
    g = scipy.stats.chi2_contingency(table[:, [0, 1, 3]], lambda_="log-likelihood")
    found = drift.chance(*table)
    # Williams' correction makes it a little more careful.
    assert g.pvalue < found < 1.2 * g.pvalue


def test_categories() -> None:
    schema = Schema(("x",), "y", (0, 1), (), categories=("x",))
    texts = ["a"] * 600 + ["b"] * 300 + ["c"] * 2 + [None] * 98
    train = pa.table({"x": texts, "y": np.arange(1000) % 2})
    bins = drift.read_bins(json.loads(json.dumps(profile(train, 0, schema))), schema)

    def compared(column: list[str | None]) -> drift.Drift:
        halves = [pa.array(half, pa.string()) for half in (column[::2], column[1::2])]
        counted = [drift.count([half.dictionary_encode()], bins)[0] for half in halves]
        return drift.compare([counted[0] + counted[1]], bins)[0]

    same = compared(texts)
    assert (same.psi, same.is_over(0.2)) == (0, False)
    assert same.labels == ("a", "b", "all others", "missing")
    assert same.trained.tolist() == [600, 300, 2, 98]
    # A new text takes the place of an old one.
    new = compared(["a"] * 600 + ["new"] * 300 + [None] * 100)
    assert new.scored.tolist() == [600, 0, 300, 100]
    assert new.is_over(0.2)
    assert new.missing == 0.1


def test_counted_in_the_pass_over_all_chunks(score: Score, tmp_path: Path) -> None:
    table = rows(150_000).assign(Age=lambda frame: frame["Age"] + 40)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    whole = drift.count([table[name].to_numpy(dtype="float64") for name in FEATURES], BINS)
    for name in ("t.csv", "t.parquet"):
        result = score(tmp_path / name)
        for found, wanted in zip(result.totals.drift, whole, strict=True):
            np.testing.assert_array_equal(found, wanted)
        over = [each.name for each in result.drift if each.is_over(0.2)]
        assert "Age" in over
        age = result.drift[FEATURES.index("Age")]
        assert age.above == pytest.approx((table["Age"] > 81).mean())


def test_page_is_whole_in_itself(tmp_path: Path) -> None:
    shifted = [FRAME[name].to_numpy() + 30 for name in FEATURES]
    found = drift.compare(drift.count(shifted, BINS), BINS)
    text = page(found, tmp_path, 1_768)
    # Well-formed, nothing to fetch, nothing to run, a chart per feature.
    body = text[text.index("<body>") : text.index("</html>")]
    root = ElementTree.fromstring(body)
    assert len(list(root.iter("svg"))) == len(SCHEMA.features)
    assert not {"script", "link", "img"} & {element.tag for element in root.iter()}
    assert "http" not in text
    assert "Drift of 1,768 scored rows" in text
    assert "prefers-color-scheme: dark" in text


def test_page_of_a_wide_table_has_charts_of_what_differs_most(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    cuts = np.arange(1.0, 10)
    bins = tuple(
        NumberBins(f"sensor_{i:04d}_temperature", cuts, np.full(10, 60), 0, 0, 10, False)
        for i in range(1_000)
    )
    values = [random.uniform(0, 10, 400) for _ in bins]
    found = drift.compare(drift.count(values, bins), bins)
    text = page(found, tmp_path)
    assert len(text) < 1_500_000
    assert text.count("<svg") == drift_page.MOST_CHARTS < 1_000
    assert "sensor_0999_temperature" in text
    most = max(found, key=lambda each: each.psi)
    assert text.index("<section") < text.index(f"<h3>{most.name}</h3>") < text.index("</section>")


def test_page_shows_a_feature_with_one_bin(tmp_path: Path) -> None:
    bins = (NumberBins("x<y", np.array([]), np.array([5]), 0, 0, 0, False),)
    found = drift.compare(drift.count([np.array([0.0, np.nan])], bins), bins)
    assert found[0].psi > 0
    text = page(found, tmp_path)
    assert "x&lt;y" in text
    assert "x<y" not in text


def test_profile_survives_json() -> None:
    again = drift.read_bins(json.loads(json.dumps(profile(TABLE, 0, SCHEMA))), SCHEMA)
    for bins, wanted in zip(again, BINS, strict=True):
        assert isinstance(bins, NumberBins)
        assert isinstance(wanted, NumberBins)
        np.testing.assert_array_equal(bins.edges, wanted.edges)
