"""One contract: parameters, the scripts' --help, the documents and the pinned environment."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from generate.reference import ENTRY_POINTS
from steps.base import parameters
from steps.store.chain import load
from tests.conftest import PROJECT
from tests.excerpts import DOCUMENTS


def defaults(name: str) -> dict[str, str]:
    return parameters.defaults(load(name).parameters)


# What scikit-learn's searches are called with, and MLflow's autologging records: a parameter of
# the same name with another text makes MLflow drop the whole batch. `n_iter` is the same value,
# and of `estimator` the search leaves out its own.
AUTOLOGGED = {
    "cv", "error_score", "n_jobs", "param_grid", "param_distributions",
    "pre_dispatch", "refit", "return_train_score", "scoring", "verbose", "random_state",
    "best_clf__n_estimators", "best_clf__max_depth", "memory", "steps", "transform_input",
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_help_shows_each_default(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from steps.cli import launch

    with pytest.raises(SystemExit, match="0"):
        launch(load(name), ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for parameter, default in defaults(name).items():
        assert re.search(rf"--{parameter} … .*?\(default: {re.escape(default)}\)", shown), parameter


def test_main_is_the_union() -> None:
    union = {**defaults("batch_score"), **defaults("train"), **defaults("preprocess")}
    union["fresh"] = "false"
    # The chain settles which run the next step takes.
    assert defaults("main") == {
        name: default
        for name, default in union.items()
        if name not in ("preprocess_run_id", "model")
    }


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_no_parameter_is_named_like_one_that_autolog_logs(name: str) -> None:
    assert not AUTOLOGGED & set(defaults(name))


def test_conda_and_pip_pin_the_same() -> None:
    conda = yaml.safe_load((PROJECT / "conda.yaml").read_text())["dependencies"]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert conda[-1]["pip"] == project["dependencies"]
    assert all("==" in pin for pin in project["dependencies"])


def test_constraints_hold_the_pins_and_no_address() -> None:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert {pin.lower() for pin in project["dependencies"]} <= {line.lower() for line in lines}
    assert all(re.fullmatch(r"[\w.\-]+==[\w.+!]+", line) for line in lines)


def test_dependency_table() -> None:
    table = (PROJECT / "docs/dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    optional = (extras[name] for name in ("azure-data", "dask", "docs", "loopback", "tpe"))
    pinned = [*project["dependencies"], *(pin for pins in optional for pin in pins)]
    for pin in pinned:
        name, _, version = pin.partition("==")
        assert re.search(
            rf"^\| `?{re.escape(name)}`? \| {re.escape(version)} \|", table, re.MULTILINE
        ), pin


# Each package, and the extras that it may import beside the dependencies.
PACKAGES: dict[str, tuple[str, ...]] = {
    "steps": (
        "dask",
        "tpe",
    ),
    "mlflow_aml": ("azure-data", "dask"),
    "loopback": ("loopback",),
    "generate": (),
    "tests": ("dask", "loopback", "test"),
    "benchmarks": (),
}


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level modules of others that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [str(node.module)]
        for name in {name.partition(".")[0] for name in names}:
            if name not in sys.stdlib_module_names and name not in PACKAGES:
                yield name


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_imported_is_declared(package: str) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = [project["optional-dependencies"][extra] for extra in PACKAGES[package]]
    declared = {
        re.split(r"[=<>\[]", pin)[0].lower()
        for pin in [*project["dependencies"], *(pin for extra in extras for pin in extra)]
    }
    distributions = packages_distributions()
    for path in (PROJECT / package).rglob("*.py"):
        for module in imported(path):
            providers = {name.lower() for name in distributions.get(module, ())}
            assert providers & declared, f"{path.name} imports {module}"


def test_documents_name_files_that_exist() -> None:
    rooms = "|".join([*PACKAGES, "docs", r"\.ci"])
    named = [
        path
        for document in (*DOCUMENTS, PROJECT / "CONTRIBUTING.md", PROJECT / "loopback/README.md")
        for path in re.findall(
            rf"[`\s(]((?:{rooms})/[\w./]*[\w/])(?=[`\s)])", document.read_text("utf-8")
        )
    ]
    assert len(named) > 50
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_the_changelog_has_this_version() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python3.* -m venv .* && pytest$", readme, re.MULTILINE)
    assert len(commands) == 1
    assert commands[0] in (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    ci = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "command=$(grep -m 1 '^python3.* && pytest$' README.md)\n" in ci
    assert re.findall(r"^python3.* && pytest$", readme, re.MULTILINE) == commands
