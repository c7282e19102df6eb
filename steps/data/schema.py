"""What a table must look like to be trained on or scored: `data/schema.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from steps.base import shapes
from steps.base.errors import StepError, first_line
from steps.data.dates import PARTS
from steps.data.text_files import parse_encoding
from steps.data.values import TextRules

Label = bool | int | str
_LISTS = ("features", "classes", "zero_as_missing", "categories", "many_valued", "booleans")
BINARY, MULTICLASS, REGRESSION = "binary", "multiclass", "regression"


@dataclass(frozen=True)
class DateColumn:
    """A column of dates or times, and the parts that the model gets as numbers.

    The feature of a part is called `<column>.<part>`.
    """

    name: str
    parts: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features made from this column."""
        return tuple(f"{self.name}.{part}" for part in self.parts)


@dataclass(frozen=True)
class Schema:
    """Columns and classes of one prepared data set.

    `features` are the model's input, in training order: numbers (`booleans` are 0 and 1), except
    the `categories`, which are text; `many_valued` are the categories with many values. `group`
    is a column that is not a feature: rows of one group stay on one side of any split. `classes`
    is () if the target is a number, else the classes in sort order, of two the positive one last.
    `delimiter`, `encoding` and `rules` say how the table's text was read, so that new data is
    read the same way.
    """

    features: tuple[str, ...]
    target: str
    classes: tuple[Label, ...]
    zero_as_missing: tuple[str, ...]
    delimiter: str = ","
    encoding: str = "auto"
    categories: tuple[str, ...] = ()
    many_valued: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()
    dates: tuple[DateColumn, ...] = ()
    group: str = ""
    rules: TextRules = field(default_factory=TextRules)

    @property
    def task(self) -> str:
        """What is predicted: `binary`, `multiclass` or `regression`."""
        if not self.classes:
            return REGRESSION
        return BINARY if len(self.classes) == 2 else MULTICLASS

    @property
    def positive(self) -> Label:
        """The class that probabilities and scores refer to, if there are two."""
        return self.classes[-1]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table needs: the features, with dates in place of their parts."""
        return tuple(dict.fromkeys(map(self.column_of, self.features)))

    def column_of(self, feature: str) -> str:
        """Name the column that a feature is, or is made of."""
        return next((date.name for date in self.dates if feature in date.features), feature)

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """The columns of a prepared table that the user's table has, in the order of the file."""
        return (*self.columns, *((self.group,) if self.group else ()), self.target)

    def to_json(self) -> str:
        """Write the schema as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Schema:
        """Build a schema from the mapping that `dataclasses.asdict` or the JSON text gives.

        Fields that an earlier version of the project did not write get their defaults. Raises
        StepError if the content has another shape.
        """
        shapes.check(cls, content, "schema")
        lists: dict[str, Any] = {name: tuple(content[name]) for name in _LISTS if name in content}
        plain: dict[str, Any] = {
            name: content[name]
            for name in ("target", "delimiter", "encoding", "group")
            if name in content
        }
        dates = tuple(
            DateColumn(date["name"], tuple(date["parts"])) for date in content.get("dates", ())
        )
        rules = TextRules.from_dict(content["rules"]) if "rules" in content else TextRules()
        schema = cls(**lists, **plain, dates=dates, rules=rules)
        _check(schema)
        return schema

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Read what `to_json` wrote."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StepError(
                f"expected a schema in JSON, found none ({first_line(error)})"
            ) from error
        return cls.from_dict(content)


def _check(schema: Schema) -> None:
    if not schema.features or len(set(schema.features)) < len(schema.features):
        raise StepError("expected different names as features of the schema, found others")
    if len(schema.classes) == 1 or len(set(map(repr, schema.classes))) < len(schema.classes):
        raise StepError("expected no class or different ones in the schema, found others")
    if len({type(label) for label in schema.classes}) > 1:
        raise StepError("expected classes of one kind in the schema, found several kinds")
    if any(isinstance(label, int) and abs(label) >= 1 << 63 for label in schema.classes):
        raise StepError("expected numbers of 64 bits as classes of the schema, found larger ones")
    if not set(schema.categories) <= set(schema.features):
        raise StepError("expected features as categories of the schema, found other names")
    if not all(set(date.parts) <= set(PARTS) for date in schema.dates):
        raise StepError(f"expected some of {', '.join(PARTS)} of dates in the schema, found others")
    _check_reading(schema)


def _check_reading(schema: Schema) -> None:
    """Check what says how to read text."""
    mark, decimal = schema.delimiter, schema.rules.decimal
    if len(mark) != 1 or mark in '\r\n"\0' or not mark.isascii():
        raise StepError("expected one ASCII character as delimiter of the schema, found another")
    if decimal not in (".", ","):
        raise StepError("expected . or , as decimal mark of the schema, found another text")
    try:
        parse_encoding(schema.encoding)
        # JSON can hold halves of characters, which no text of a table can.
        str(schema).encode()
    except ValueError as error:
        raise StepError(f"expected text that can be read in the schema, found: {error}") from error
