"""What a table must look like to be trained on or scored: `data/schema.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

Label = bool | int | str


@dataclass(frozen=True)
class Schema:
    """Columns and classes of one prepared data set.

    `features` are in training order; `classes` is (negative, positive); `delimiter` is the one
    of the CSV file that was prepared, so that new data is read the same way.
    """

    features: tuple[str, ...]
    target: str
    classes: tuple[Label, Label]
    zero_as_missing: tuple[str, ...]
    delimiter: str = ","

    @property
    def positive(self) -> Label:
        """The class that probabilities and scores are about."""
        return self.classes[1]

    def to_json(self) -> str:
        """Write the schema as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Schema:
        """Build a schema from what `dataclasses.asdict` or the JSON text gives."""
        negative, positive = fields["classes"]
        return cls(
            features=tuple(fields["features"]),
            target=fields["target"],
            classes=(negative, positive),
            zero_as_missing=tuple(fields["zero_as_missing"]),
            delimiter=fields["delimiter"],
        )

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Read what `to_json` wrote."""
        return cls.from_dict(json.loads(text))
