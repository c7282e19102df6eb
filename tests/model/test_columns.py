"""The steps before a forest, block by block: the same bits as the whole table at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from steps.model import columns
from steps.model.columns import blocks, fill, fit_narrow
from steps.model.growth import as_forest_reads
from steps.model.pipeline import build_pipeline
from tests.model import small_tables

ROWS = 900


@pytest.mark.parametrize("bytes_of_block", [columns.BYTES_OF_BLOCK, 1])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_blocks_give_what_the_whole_table_gives(
    task: str, bytes_of_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "BYTES_OF_BLOCK", bytes_of_block)
    schema, features = small_tables.schema(task), small_tables.features(ROWS)
    labels = small_tables.labels(task, ROWS)
    steps = build_pipeline(schema, 0)[:-1]
    test = np.arange(0, ROWS, 3)
    train = np.setdiff1d(np.arange(ROWS), test)

    parts = blocks(steps, features)
    assert parts is not None
    seen, unseen, seconds = fill(parts, features, labels, train, test)

    whole = steps.fit_transform(features.iloc[train], labels[train])
    assert np.array_equal(seen, as_forest_reads(whole))
    assert np.array_equal(unseen, as_forest_reads(steps.transform(features.iloc[test])))
    assert seen.flags.f_contiguous
    assert min(seconds) > 0

    alone = build_pipeline(schema, 0)[:-1]
    rows = fit_narrow(alone, features, labels)
    assert np.array_equal(rows, as_forest_reads(steps.fit_transform(features, labels)))
    assert np.array_equal(alone.transform(features), steps.transform(features))


def test_what_makes_several_columns_of_one_is_left_to_scikit_learn() -> None:
    features = small_tables.features()
    assert blocks(build_pipeline(small_tables.schema("multiclass"), 0)[:-1], features) is None
    steps = build_pipeline(small_tables.schema("binary"), 0)[:-1]
    assert blocks(steps, features) is not None
    first = steps[0].transformers[0][0]
    for name, value in (("add_indicator", True), ("keep_empty_features", False)):
        changed = build_pipeline(small_tables.schema("binary"), 0)[:-1]
        changed.set_params(**{f"fillna__{first}__{name}": value})
        assert blocks(changed, features) is None
    steps.set_params(fillna__remainder="passthrough")
    assert blocks(steps, features) is None


def test_a_table_stored_row_by_row_is_left_to_scikit_learn() -> None:
    names = ("number", "zero", "last")
    values = np.ascontiguousarray(small_tables.features()[list(names)].to_numpy())
    steps = build_pipeline(replace(small_tables.schema("binary"), features=names), 0)[:-1]
    assert blocks(steps, pd.DataFrame(values, columns=names, copy=False)) is None
    assert blocks(steps, pd.DataFrame(values.T.copy().T, columns=names, copy=False)) is not None
