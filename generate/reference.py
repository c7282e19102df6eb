"""Generate text for cog from what the code declares: parameters, and what is never uploaded.

`python -m cogapp -r MLproject job.yml steps/options.py docs/parameters.md docs/security.md`
writes it wherever these files call it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields

from mlflow_aml.project_files import SECRETS, STATE
from steps.base.parameters import Parameter, declared, variable
from steps.main import ChainParameters
from steps.store.chain import load

ENTRY_POINTS = ("preprocess", "train", "batch_score", "compare", "monitor", "main")


def entry_points() -> str:
    """Write the entry points of `MLproject`."""
    return "\n\n".join(entry_point(name, declared(load(name).parameters)) for name in ENTRY_POINTS)


def entry_point(name: str, parameters: Sequence[Parameter]) -> str:
    """Write one entry point; MLflow puts the values into its command, quoted for the shell."""
    lines = [f"{name}:", "  parameters:"]
    lines += [
        f"    {item.name}: {{type: {item.type}, default: {_quoted(item.default)}}}"
        for item in parameters
    ]
    lines += ["  command: >-", f"    python -m steps.{name}"]
    lines += [f"    --{item.name}={{{item.name}}}" for item in parameters]
    return "\n".join(lines)


def options_of(step: str, *declared_there: str) -> str:
    """Write the class that types the keyword arguments of a step's Python function.

    `declared_there` names the parameters that the function itself declares.
    """
    kinds = {"bool": "bool", "int": "int", "float": "float"}
    lines = [
        f"    {item.name}: {kinds.get(str(item.type), 'Value')}"
        for item in fields(load(step).parameters)
        if item.name not in (*declared_there, "workspace")
    ]
    title = "".join(word.capitalize() for word in step.split("_"))
    head = [f"class {title}Options(TypedDict, total=False):", f'    """Parameters of `{step}`."""']
    return "\n".join(["", "", *head, "", *lines, ""])


def job_variables() -> str:
    """Write the parameters of `main` as the environment variables of `job.yml`."""
    return variables(declared(load("main").parameters))


def variables(parameters: Sequence[Parameter]) -> str:
    """Write parameters as a YAML mapping of environment variables."""
    return "\n".join(f"{variable(item.name)}: {_quoted(item.default)}" for item in parameters)


def sections() -> str:
    """Write a section with a table of the parameters for each step, except `main`."""
    tables = {name: table(declared(load(name).parameters)) for name in ENTRY_POINTS}
    return "".join(f"\n## {name}\n{text}" for name, text in tables.items() if name != "main")


def table_of_main() -> str:
    """Write the table of the parameters that only `main` has."""
    return table(declared(ChainParameters))


def never_uploaded() -> str:
    """Write the table of the files that no upload to Azure holds."""
    rows = (
        ("what may be a secret; the command names it", SECRETS),
        ("local state", STATE),
    )
    lines = [f"| {what} | {', '.join(f'`{name}`' for name in names)} |" for what, names in rows]
    return "\n".join(["", "| | files |", "|---|---|", *lines, ""])


def table(parameters: Sequence[Parameter]) -> str:
    """Write a Markdown table of parameters, with the empty lines that it needs around it."""
    rows = [
        f"| `{item.name}` | `{_in_cell(item.default)}` | {_in_cell(item.meaning)} |"
        for item in parameters
    ]
    return "\n".join(["", "| parameter | default | meaning |", "|---|---|---|", *rows, ""])


def _quoted(text: str) -> str:
    # A JSON string is also a YAML string.
    return json.dumps(text, ensure_ascii=False)


def _in_cell(text: str) -> str:
    return text.replace("|", r"\|")
