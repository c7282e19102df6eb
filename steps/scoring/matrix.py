"""Turn features into the matrix for a pipeline's last step, exactly as the pipeline would.

Apart from its last step, a pipeline's cost is text: millions of objects to look up. This module
looks up each distinct text of a chunk once, and leaves everything else to the pipeline's own
fitted transformers, which then work on numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler

if TYPE_CHECKING:
    from steps.data.schema import Schema

Feature: TypeAlias = np.ndarray | pa.DictionaryArray


@dataclass(frozen=True)
class Categories:
    """How a fitted encoder numbers the texts of its columns: by position among the known texts.

    `unknown` is the number for any other text and for a missing one.
    """

    known: tuple[pa.Array, ...]
    unknown: float

    @classmethod
    def of(cls, encoder: OrdinalEncoder) -> Categories | None:
        """Read them from an encoder; None if it may number texts differently."""
        if (
            encoder.handle_unknown != "use_encoded_value"
            or encoder.encoded_missing_value != encoder.unknown_value
            or encoder.dtype is not np.float64
            or getattr(encoder, "_infrequent_enabled", False)
        ):
            return None
        known = []
        for categories in encoder.categories_:
            texts = [category for category in categories if category == category]
            if not all(isinstance(text, str) for text in texts):
                return None
            known.append(pa.array(texts, pa.string()))
        return cls(tuple(known), float(encoder.unknown_value))

    def codes(self, position: int, column: pa.DictionaryArray) -> np.ndarray:
        """Return the number of each row's text, as float64."""
        numbers = pc.fill_null(self._places(position, column).cast(pa.float64()), self.unknown)
        rows = pc.fill_null(column.indices, len(numbers)).to_numpy()
        codes: np.ndarray = np.append(numbers.to_numpy(), self.unknown)[rows]
        return codes

    def unseen(self, position: int, column: pa.DictionaryArray) -> int:
        """Count the rows with unknown texts."""
        strange = self._places(position, column).is_null().to_numpy(zero_copy_only=False)
        if not strange.any():
            return 0
        return int(np.count_nonzero(strange[column.indices.drop_null().to_numpy()]))

    def _places(self, position: int, column: pa.DictionaryArray) -> pa.Array:
        return pc.index_in(column.dictionary, value_set=self.known[position])


@dataclass(frozen=True)
class _Block:
    """Adjacent columns of the matrix, made from some features by one transformer.

    For categories, `categories` numbers the texts and `transformer` holds the remaining steps.
    `fills` are a plain imputer's replacements for missing values.
    """

    names: tuple[str, ...]
    transformer: Any
    categories: Categories | None = None
    fills: np.ndarray | None = None
    zero_is_missing: bool = False

    def columns(self, features: dict[str, Feature]) -> Any:
        """Make the block: dense or sparse, of shape (rows, width)."""
        if self.categories is not None:
            return self._encoded(features, self.categories)
        if self.fills is not None:
            return self._filled(features, self.fills)
        import pandas as pd

        return self.transformer.transform(pd.DataFrame({n: features[n] for n in self.names}))

    def _encoded(self, features: dict[str, Feature], categories: Categories) -> Any:
        codes = np.empty((len(features[self.names[0]]), len(self.names)))
        for position, name in enumerate(self.names):
            codes[:, position] = categories.codes(position, features[name])
        return codes if self.transformer is None else self.transformer.transform(codes)

    def _filled(self, features: dict[str, Feature], fills: np.ndarray) -> np.ndarray:
        filled = np.empty((len(features[self.names[0]]), len(self.names)))
        for position, name in enumerate(self.names):
            column = features[name]
            missing = np.isnan(column)
            if self.zero_is_missing:
                missing |= column == 0
            filled[:, position] = np.where(missing, fills[position], column)
        return filled


@dataclass(frozen=True)
class MatrixMaker:
    """What a fitted pipeline's first step does; `sparse`: whether its matrix is sparse."""

    features: tuple[str, ...]
    blocks: tuple[_Block, ...]
    sparse: bool

    def matrix(self, features: Sequence[Feature], dtype: type[np.floating[Any]]) -> Any:
        """Make the matrix: dense and of type `dtype`, or sparse."""
        by_name = dict(zip(self.features, features, strict=True))
        blocks = [block.columns(by_name) for block in self.blocks]
        if self.sparse:
            import scipy.sparse

            return scipy.sparse.hstack(blocks).tocsr()
        dense = [block.toarray() if hasattr(block, "toarray") else block for block in blocks]
        made = dense[0] if len(dense) == 1 else np.hstack(dense)
        return made.astype(dtype, copy=False)

    def unseen(self, features: Sequence[Feature]) -> dict[str, int]:
        """Count, for each category, the rows whose text was not seen in training."""
        by_name = dict(zip(self.features, features, strict=True))
        return {
            name: block.categories.unseen(position, by_name[name])
            for block in self.blocks
            if block.categories is not None
            for position, name in enumerate(block.names)
        }


def matrix_maker(columns: Any, schema: Schema) -> MatrixMaker | None:
    """Take a fitted first step apart; None if the matrix might differ from the pipeline's own.

    The first step must be a ColumnTransformer that gives lists of columns to transformers.
    """
    if type(columns) is not ColumnTransformer or _has_other_output(columns):
        return None
    if columns.transformer_weights is not None:
        return None
    blocks = []
    for name, transformer, names in columns.transformers_:
        if name == "remainder" and transformer == "drop":
            continue
        if not isinstance(names, list) or not set(names) <= set(schema.features):
            return None
        block = _block(transformer, tuple(names), schema)
        if block is None:
            return None
        blocks.append(block)
    return MatrixMaker(schema.features, tuple(blocks), bool(columns.sparse_output_))


def _block(transformer: Any, names: tuple[str, ...], schema: Schema) -> _Block | None:
    steps = [step for _, step in transformer.steps] if _is_pipeline(transformer) else [transformer]
    if any(map(_has_other_output, steps)):
        return None
    are_categories = {name in schema.categories for name in names}
    if are_categories == {True}:
        return _of_categories(steps, names)
    if are_categories != {False}:
        return None
    if type(steps[0]) is FunctionTransformer and steps[0].func is None and len(steps) == 1:
        return _Block(names, None, fills=np.full(len(names), np.nan))
    if _is_mean(steps[-1:], np.nan) and len(steps) == 1:
        return _Block(names, None, fills=steps[0].statistics_)
    # Models of version 0.1 have no cast.
    fillers = steps[1:] if _is_cast(steps[0]) else steps
    if len(fillers) == 2 and _is_zero_filler(fillers[0]) and _is_mean(fillers[1:], 0.0):
        return _Block(names, None, fills=fillers[1].statistics_, zero_is_missing=True)
    return _Block(names, transformer)


def _of_categories(steps: Sequence[Any], names: tuple[str, ...]) -> _Block | None:
    if type(steps[0]) is not OrdinalEncoder:
        return None
    categories = Categories.of(steps[0])
    if categories is None:
        return None
    # Each step asks its input for column names; codes have none, just as in fitting.
    rest = Pipeline([(str(place), step) for place, step in enumerate(steps[1:])])
    return _Block(names, rest if len(steps) > 1 else None, categories)


def _is_mean(steps: Iterable[Any], missing: float) -> bool:
    return all(
        type(step) is SimpleImputer
        and step.statistics_.dtype == np.float64
        and (step.missing_values == missing or (missing != missing and _is_nan(step)))
        and step.keep_empty_features
        and not step.add_indicator
        for step in steps
    )


def _is_nan(imputer: SimpleImputer) -> bool:
    return bool(imputer.missing_values != imputer.missing_values)


def _is_zero_filler(step: Any) -> bool:
    return (
        type(step) is SimpleImputer
        and _is_nan(step)
        and step.keep_empty_features
        and not step.add_indicator
        # A constant imputer holds its constants as objects.
        and all(value == 0 for value in step.statistics_)
    )


def _is_cast(step: Any) -> bool:
    return type(step) is StandardScaler and not step.with_mean and not step.with_std


def _is_pipeline(transformer: Any) -> bool:
    return type(transformer) is Pipeline


def _has_other_output(estimator: Any) -> bool:
    """Tell whether an estimator was asked for frames instead of arrays."""
    asked = getattr(estimator, "_sklearn_output_config", {})
    return bool(asked.get("transform", "default") != "default")
