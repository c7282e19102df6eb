"""Python values as the texts of parameters, which check them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from steps.base.errors import StepError
from steps.base.parameters import Dataclass, defaults
from steps.base.parsers import NONE


def texts(kind: type[Dataclass], values: Mapping[str, Any]) -> dict[str, str]:
    """Write each value as a user would type it; the other parameters have their defaults."""
    known = defaults(kind)
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise StepError(f"expected a parameter of this step, found {name}; {hint}")
    return known | {name: as_text(name, value) for name, value in values.items()}


def as_text(name: str, value: Any) -> str:
    """Write one value as a user would type it.

    >>> as_text("max_depth", [2, 3, None])
    '2,3,none'
    >>> as_text("minimum", {"test_roc_auc": 0.8})
    'test_roc_auc=0.8'
    >>> as_text("grid", {"clf__max_depth": [2, None]})
    '{"clf__max_depth": [2, null]}'
    """
    # An array, a scalar or an index of numpy or pandas.
    value = value.tolist() if hasattr(value, "tolist") else value
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping) and all(isinstance(one, Real) for one in value.values()):
        return ",".join(f"{key}={_word(name, one)}" for key, one in value.items())
    if isinstance(value, Mapping) or _holds_mappings(value):
        return _json(name, value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ",".join(_word(name, one) for one in value) or NONE
    return str(value)


def _holds_mappings(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value)


def _word(name: str, value: Any) -> str:
    word = as_text(name, value)
    if "," in word:
        raise StepError(f"parameter {name}: expected values without a comma, found {word!r}")
    return word


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise StepError(
            f"parameter {name}: expected what JSON can hold (numbers, texts, lists), found: {error}"
        ) from None
