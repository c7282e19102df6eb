"""What is in the key of a step, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grimp
import pytest

from steps.base import parameters
from steps.store import keys
from steps.store.chain import Call, Source, load

REUSED = ("preprocess", "train")
# Where a result is written, and what is said of it, decides none of it.
NO_RESULT = {"base", "store", "cli", "shared"}


def room(module: str) -> str:
    return module.split(".")[1]


def key_of(step: str, digest: str = "input", **texts: str) -> str | None:
    found = load(step)
    call: Call[Any, Any] = Call.of(found, parameters.defaults(found.parameters) | texts)
    return call.key(Source(digest=digest))


def test_key_follows_parameters_input_code_and_libraries() -> None:
    libraries = {"numpy": "1", "python": "3.11"}
    key = keys.step_key("train", {"a": 1}, "input", "code", libraries)
    assert key == keys.step_key(
        "train", {"a": 1}, "input", "code", dict(reversed(libraries.items()))
    )
    others = [
        keys.step_key("main", {"a": 1}, "input", "code", libraries),
        keys.step_key("train", {"a": 2}, "input", "code", libraries),
        keys.step_key("train", {"a": 1}, "other", "code", libraries),
        keys.step_key("train", {"a": 1}, "input", "other", libraries),
        keys.step_key("train", {"a": 1}, "input", "code", libraries | {"numpy": "2"}),
    ]
    assert len({key, *others}) == 6


def test_versions_are_those_installed() -> None:
    import sklearn

    versions = keys.library_versions(["scikit-learn"])
    assert versions["scikit-learn"] == sklearn.__version__
    assert versions["python"].count(".") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [("n_estimators", "5"), ("grid", '{"clf__max_depth": [9]}'), ("search", "random"),
     ("seed", "7"), ("threshold", "f1"), ("metric", "f1"), ("cv_folds", "3")],
)  # fmt: skip
def test_key_of_train_holds_what_decides_the_model(name: str, text: str) -> None:
    assert key_of("train", **{name: text}) != key_of("train")


@pytest.mark.parametrize(
    "texts",
    [{"registered_model": "m"}, {"registered_model": "m", "must_beat": "champion"},
     {"minimum": "test_roc_auc=0.9"}, {"report": "false"}, {"jobs": "1"}, {"resume": "false"},
     {"preprocess_run_id": "0" * 32}, {"workspace": "none"}, {"n_estimators": "1, 2,3"}],
)  # fmt: skip
def test_key_of_train_holds_nothing_else(texts: dict[str, str]) -> None:
    assert key_of("train", **texts) == key_of("train")


def test_a_grid_file_counts_by_its_content(tmp_path: Path) -> None:
    first, moved, other = (tmp_path / f"{name}.yaml" for name in ("first", "moved", "other"))
    first.write_text("clf__max_depth: [2]\n")
    moved.write_text("clf__max_depth: [2]\n")
    other.write_text("clf__max_depth: [3]\n")
    key = key_of("train", grid=str(first))
    assert key_of("train", grid=str(moved)) == key
    assert key_of("train", grid=str(other)) != key


def test_key_of_preprocess_holds_the_table_by_its_content() -> None:
    assert key_of("preprocess", data="elsewhere.csv") == key_of("preprocess")
    assert key_of("preprocess", "other") != key_of("preprocess")
    assert key_of("preprocess", test_size="0.3") != key_of("preprocess")


@pytest.mark.parametrize("step", ["batch_score", "compare", "main"])
def test_no_key_that_nobody_looks_up(step: str) -> None:
    assert key_of(step) is None


def test_code_is_that_of_the_declared_parts(tmp_path: Path) -> None:
    # Not the working folder itself, whose `data` is a link to the project's.
    code = tmp_path / "code"
    for name in ("train.py", "login.py", "data/tables.py", "data/deep/one.py", "report/page.py"):
        path = code / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before = True\n")

    def digest() -> str:
        return keys.code_digest(("train.py", "data"), code)

    first = digest()
    for name in ("login.py", "report/page.py", "data/notes.txt"):
        (code / name).write_text("reworded = True\n")
    (code / "train.py").write_bytes(b"before = True\r\n")
    assert digest() == first
    (code / "data/deep/one.py").write_text("changed = True\n")
    assert digest() != first


@pytest.mark.parametrize("step", REUSED)
def test_the_declared_code_is_all_that_the_step_computes_with(step: str) -> None:
    graph = grimp.build_graph("steps")
    waiting, imported = {f"steps.{step}"}, set[str]()
    while waiting:
        module = waiting.pop()
        imported.add(module)
        # What only a page imports changes no result.
        found = graph.find_modules_directly_imported_by(module) - imported
        waiting |= {name for name in found if name.count(".") and room(name) != "report"}
    reuse = load(step).reuse
    assert reuse is not None
    assert all((keys.PACKAGE / part).exists() for part in reuse.code)
    declared = {part.removesuffix(".py") for part in reuse.code}
    assert {room(module) for module in imported} - NO_RESULT == declared
