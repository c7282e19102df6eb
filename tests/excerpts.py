"""The terminal excerpts of the README and the documentation: record the output, compare it.

    python -m tests.excerpts            # 1 and the names of those that are no longer true
    python -m tests.excerpts --write    # write them into the documents

An excerpt is a fenced block after a line `<!-- excerpt: <name> -->`. Those after a line
`<!-- loopback excerpt: <name> -->` are compared by tests that use the loopback workspace.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from steps.cli import launch
from steps.store.chain import load

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTS = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
# In this order, in one folder: each builds on those before it.
COMMANDS = {
    "main": ("main",),
    "train": ("train", "--max_depth=3"),
    "compare": ("compare",),
    "missing column": ("batch_score", "--input=new.csv"),
}
MARKER = re.compile(
    r"^<!-- excerpt: (?P<name>[^>]+) -->\n(?P<block>```console\n.*?^```\n)?",
    re.MULTILINE | re.DOTALL,
)
LOOPBACK_MARKER = re.compile(
    r"^<!-- loopback excerpt: (?P<name>[^>]+) -->\n```console\n\$ .*\n(?P<block>(?:.*\n)*?)```\n",
    re.MULTILINE,
)
# What differs between runs: the progress of a slow one, ids, rates, the width of columns.
VARYING = (
    (r"(?m)^\w+: [\d,]+(?:/[\d,]+)? (\w+), [\d,.]+ \1/s.*\n", ""),
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"(?m)^(\S+) [0-9a-f]{8}\b", r"\1 <id>"),
    (r"[\d,]+ rows/s", "<rate>"),
    (r" {2,}", "  "),
)
# And between workspaces: their addresses and names, ids of jobs and environments, the size of the
# project, the states that a job is seen in.
VARYING_ON_AZURE = (
    (r"/subscriptions/\S+/workspaces/[\w-]+", "<workspace>"),
    (r"workspace [\w-]+ of", "workspace of"),
    (r"\b(diabetes(?:-\w+)?)-[0-9a-f]{10,12}\b", r"\1-<id>"),
    (r"environment diabetes-<id>: .*", "environment"),
    (r"(?m)^job \S+: \w+\n", ""),
    (r"to upload: .*", "to upload"),
)


def record() -> dict[str, str]:
    """Run the commands in a new folder with a store of its own; give the text of each."""
    with tempfile.TemporaryDirectory() as created, chdir(created):
        folder = Path(created).resolve()
        Path("data").symlink_to(PROJECT / "data")
        _without_a_column(Path("data/diabetes.csv"), Path("new.csv"))
        return {name: _typed(command, folder) for name, command in COMMANDS.items()}


def _without_a_column(table: Path, target: Path) -> None:
    lines = table.read_text().splitlines()
    target.write_text("".join(line.partition(",")[2] + "\n" for line in lines))


def _typed(command: tuple[str, ...], folder: Path) -> str:
    step, *arguments = command
    shown = io.StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        launch(load(step), arguments)
    output = shown.getvalue().replace(str(folder), "/…")
    return " ".join(["$ python -m", f"steps.{step}", *arguments]) + "\n" + output


def normal(text: str) -> str:
    """Leave out what differs from run to run."""
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text


def loopback_excerpts() -> dict[str, str]:
    """Give what the documents say that commands print on Azure, without what differs."""
    return {
        found["name"]: normal_on_azure(found["block"])
        for document in DOCUMENTS
        for found in LOOPBACK_MARKER.finditer(document.read_text(encoding="utf-8"))
    }


def normal_on_azure(text: str) -> str:
    """Leave out what differs from run to run and from workspace to workspace."""
    for pattern, word in VARYING_ON_AZURE:
        text = re.sub(pattern, word, text)
    return normal(text)


def written(text: str, excerpts: dict[str, str]) -> str:
    """Insert the excerpts into a text, each after its marker."""

    def block(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- excerpt: {name} -->\n{_block(excerpts[name])}"

    return MARKER.sub(block, text)


def untrue(texts: Iterable[str], excerpts: dict[str, str]) -> list[str]:
    """Name the excerpts that texts lack, show otherwise than given, or invent."""
    shown = [
        (found["name"], normal(found["block"] or ""))
        for text in texts
        for found in MARKER.finditer(text)
    ]
    true = {name: normal(_block(excerpt)) for name, excerpt in excerpts.items()}
    wrong = {name for name, block in shown if true.get(name) != block}
    return sorted(wrong | true.keys() - {name for name, _ in shown})


def _block(excerpt: str) -> str:
    return f"```console\n{excerpt}```\n"


def main(arguments: list[str]) -> int:
    """Check the documents, or write them."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    excerpts = record()
    texts = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    if arguments == ["--write"]:
        for path, text in texts.items():
            path.write_text(written(text, excerpts), encoding="utf-8")
        return 0
    if wrong := untrue(texts.values(), excerpts):
        sys.stderr.write(
            f"not what the commands print now: {', '.join(wrong)}; "
            "python -m tests.excerpts --write\n"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
