"""The terminal excerpts of the README and the documentation are what the commands print."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape

import pytest

from generate.recording import COLUMNS
from tests.conftest import PROJECT
from tests.excerpts import COMMANDS, MARKER, untrue, written


def test_a_change_is_seen_and_run_ids_are_none() -> None:
    excerpts = dict.fromkeys(COMMANDS, f"train: run {'a' * 32}\nroc_auc 0.792 (6,039 rows/s)\n")
    text = written("".join(f"<!-- excerpt: {name} -->\n\ntext\n" for name in COMMANDS), excerpts)
    assert text == written(text, excerpts)
    assert untrue([text.replace("a" * 32, "b" * 32).replace("6,039", "1")], excerpts) == []
    slow = text.replace("roc_auc", "search: 3/9 candidates, 0.5 candidates/s, 12 s left\nroc_auc")
    assert untrue([slow], excerpts) == []
    assert untrue([text.replace("0.792", "0.793")], excerpts) == sorted(COMMANDS)
    assert untrue([""], excerpts) == sorted(COMMANDS)


def test_each_document_is_looked_at_and_no_excerpt_is_invented() -> None:
    excerpts = {"a": "1\n", "b": "2\n"}
    texts = [written(f"<!-- excerpt: {name} -->\n", excerpts) for name in excerpts]
    assert untrue(texts, excerpts) == []
    assert untrue([*texts, texts[0].replace("1", "3")], excerpts) == ["a"]
    assert untrue([*texts, "<!-- excerpt: c -->\n"], excerpts) == ["c"]


@pytest.mark.slow
def test_the_documents_show_what_is_printed() -> None:
    command = [sys.executable, "-m", "tests.excerpts"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_moving_picture_shows_what_the_excerpt_does() -> None:
    page = (PROJECT / "docs/getting-started.md").read_text(encoding="utf-8")
    excerpt = next(found for found in MARKER.finditer(page) if found["name"] == "main")["block"]
    picture = (PROJECT / "docs/img/run.svg").read_text(encoding="utf-8")
    # Each word is a text of its own.
    words = " ".join(unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture))
    # Between the first line, with the command, and the last, with the place: what is computed.
    computed = excerpt.splitlines()[3:-2]
    assert len(computed) > 5
    for line in computed:
        if not re.search(r"run [0-9a-f]{32}|rows/s", line):
            assert " ".join(line[:COLUMNS].split()) in words, line
