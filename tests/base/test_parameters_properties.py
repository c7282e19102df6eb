"""Any text given for any parameter is a value or a one-line error, never a traceback."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import fields
from typing import Any

import pyarrow.csv
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from generate.reference import ENTRY_POINTS
from steps.base.errors import StepError
from steps.base.parameters import defaults, parse
from steps.store.chain import load

PARAMETERS = sorted({(name, item.name) for name in ENTRY_POINTS
                     for item in fields(load(name).parameters)})  # fmt: skip
# What Python and its libraries say of a wrong value; a user is told what is expected instead.
INTERNAL = re.compile(
    r"invalid literal|could not convert|embedded null|codec|Invalid IPv6|NetLoc|netloc|recursion"
    r"|unconverted|month must|Exceeds the limit|unhashable|NoneType|has no attribute|JSON serial"
)

WORDS = st.sampled_from(
    [
        *("", " ", "none", "None", "NONE", "all", "true", "TRUE", "latest", "latest:3", "latest:²"),
        *("holdout", "auto", "local", "tcp://h:1", "tcp://[::1", "http://[", "tab", "\\t", "é"),
        *("1", "-1", "1,2", "1,,2", "٣", "1_0", "nan", "inf", "1e309", "9" * 5000, "0x1", "½"),
        *("a.csv", ".csv", "/", "..", "a/" * 3000 + "b", "x" * 300, "a\0b.csv", "file:///a.csv"),
        *("test_roc_auc=0.8", "test_roc_auc=nan", "test_f1=0.5,test_f1=0.6", "=1", "f1", "youden"),
        *("{", "[", "[]", "{}", "null", "$(touch hacked)", "'; exit", '"', "\ud800", "\u2028"),
    ]
)
TEXT = st.one_of(WORDS, st.text(), st.lists(WORDS, max_size=3).map(",".join))


def attempt(entry_point: str, name: str, text: str) -> Any:
    """Parse a parameter beside the defaults of the others; only a StepError may come out."""
    step = load(entry_point)
    try:
        return getattr(parse(step.parameters, defaults(step.parameters) | {name: text}), name)
    except StepError as error:
        # What was typed comes last, whatever it is; the rest are our own words.
        said = str(error).partition(", found")[0]
        assert said.startswith((f"parameter {name}: expected ", "expected an output"))
        assert not INTERNAL.search(said), said
        assert "\n" not in said
        return error


@pytest.mark.parametrize(("entry_point", "name"), PARAMETERS)
def test_any_text(entry_point: str, name: str) -> None:
    @given(TEXT)
    @settings(max_examples=40, deadline=None)
    def check(text: str) -> None:
        attempt(entry_point, name, text)

    check()


SCALAR = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from(["2026-01-01", "2026-99-99", "~", "!!int ''", "!!timestamp x", "*a", "&a [*a]",
                     "!!python/name:os.system", "!!binary x", "!!bool x", "=", "<<: 1", "? [a]"]),
)  # fmt: skip
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=3),
                            st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip


def as_yaml(value: Any) -> str:
    """Write a value in YAML's flow style without quotes, so that its words have their meanings."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {as_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    return str(value)


@given(VALUE, st.sampled_from([json.dumps, as_yaml]))
@settings(max_examples=200, deadline=None)
@example(["[" * 100_000], as_yaml)
@example({"clf__max_depth": ["2026-01-01"]}, as_yaml)
@example({"clf__max_depth": ["&a [*a]"]}, as_yaml)
@example({"clf__max_depth": ["!!timestamp x"]}, as_yaml)
@example({"clf__max_depth": ["!!int ''"]}, as_yaml)
@example({"clf__max_depth": ["!!bool x"]}, as_yaml)
@example({"clf__max_depth": ["!!binary aGk="]}, as_yaml)
@example({"clf__max_depth": ["!!set {a}"]}, as_yaml)
def test_any_grid(value: Any, write: Any) -> None:
    found = attempt("train", "grid", write(value))
    if not isinstance(found, StepError | None):
        # It goes into the key of the step and to a listener as JSON.
        assert json.loads(json.dumps(found)) is not None


def test_a_good_grid_is_taken() -> None:
    for text in ('{"clf__max_depth": [1, null], "clf__criterion": ["gini"]}',
                 "{clf__max_depth: [1, null], clf__criterion: [gini]}"):  # fmt: skip
        assert attempt("train", "grid", text) == {
            "clf__max_depth": [1, None],
            "clf__criterion": ["gini"],
        }


@given(st.characters())
@settings(max_examples=200, deadline=None)
@example("\0")
@example("é")
def test_a_delimiter_is_one_that_readers_take(character: str) -> None:
    for entry_point in ("preprocess", "batch_score"):
        found = attempt(entry_point, "delimiter", character)
        if not isinstance(found, StepError):
            pyarrow.csv.ParseOptions(delimiter=found)
            assert next(csv.reader([f"é{found}é"], delimiter=found, strict=True)) == ["é", "é"]
