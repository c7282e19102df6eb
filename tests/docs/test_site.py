"""The documentation is built as a site without a warning, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from shutil import copyfile, copytree
from urllib.parse import urlsplit

import pytest

from tests.conftest import PROJECT
from tests.excerpts import DOCUMENTS

# What is read in the repository only; the build of the site checks those of docs/.
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "loopback/README.md", "data/README.md")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def links(document: Path) -> list[str]:
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    return [first or second for first, second in LINK.findall(text)]


def anchors(document: Path) -> set[str]:
    """Make the anchors of headings as GitHub does: lower case, `-` for spaces, no punctuation."""
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    copytree(PROJECT / "docs", tmp_path / "docs")
    copyfile(PROJECT / "mkdocs.yml", tmp_path / "mkdocs.yml")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {path.stem for path in (tmp_path / "site").glob("*.html")} - {"404"}
    assert pages == {path.stem for path in (PROJECT / "docs").glob("*.md")}
    navigation = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert pages == {name.removesuffix(".md") for name in re.findall(r"[\w-]+\.md", navigation)}


@pytest.mark.parametrize("name", OUTSIDE)
def test_links_of_the_repository_lead_to_files_and_headings(name: str) -> None:
    document = PROJECT / name
    for link in links(document):
        if urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_pages_link_to_headings_as_github_names_them_too(document: Path) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        if anchor and not urlsplit(link).scheme:
            assert anchor in anchors(document.parent / path if path else document), link


def test_addresses_are_encrypted_and_whole() -> None:
    for document in (*DOCUMENTS, *(PROJECT / name for name in OUTSIDE)):
        for link in links(document):
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme == "https", link
                assert "." in (parts.hostname or ""), link
