"""Declarations of parameters, and the form in which runs record them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.base import parameters
from steps.base.errors import StepError
from steps.base.parameters import parameter
from steps.base.parsers import boolean, integer, one_of


@dataclass(frozen=True)
class Toy:
    """Parameters of a step that is not there."""

    seed: int = parameter(integer(0), "42", "seed of all")
    report: bool = parameter(boolean, "true", "make a report", in_key=False)
    order: str = parameter(one_of("up", "down"), "up", "`up` or `down`")
    side: str = parameter(one_of("left", "right"), "left", "which side")


def test_a_declaration_tells_all_of_a_parameter() -> None:
    seed, report, order, side = parameters.declared(Toy)
    assert (seed.name, seed.type, seed.default, seed.in_key) == ("seed", "int", "42", True)
    assert (report.type, report.in_key) == ("string", False)
    assert (order.meaning, side.meaning) == ("`up` or `down`", "which side: `left`, `right`")
    assert parameters.names(Toy) == ["seed", "report", "order", "side"]
    assert parameters.names(Toy, in_key=True) == ["seed", "order", "side"]


def test_defaults_are_texts_and_parsed_like_others() -> None:
    assert parameters.defaults(Toy) == {
        "seed": "42", "report": "true", "order": "up", "side": "left",
    }  # fmt: skip
    assert parameters.parse(Toy, parameters.defaults(Toy)) == Toy(42, True, "up", "left")
    with pytest.raises(StepError, match="parameter side: expected one of left, right, found 'x'"):
        parameters.parse(Toy, parameters.defaults(Toy) | {"side": "x"})


@given(st.text())
def test_what_is_recorded_reads_back(text: str) -> None:
    assert parameters.from_recorded(parameters.as_recorded(text)) == text
