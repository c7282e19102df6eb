"""The tables of a preprocess run: on record where they are, and read no more often than needed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from steps.data import sources
from tests.conftest import DIABETES, RunStep, all_runs


class Versioned(SimpleHTTPRequestHandler):
    """Serve files with an ETag that changes with them, and count how often they are read."""

    read = 0

    def end_headers(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        super().end_headers()

    def do_GET(self) -> None:
        Versioned.read += 1
        super().do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def table(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a table; give its address and its file."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "table.csv").write_bytes(Path(DIABETES).read_bytes())
    Versioned.read = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Versioned, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/table.csv", folder / "table.csv"
        server.shutdown()


@pytest.mark.slow
def test_a_version_that_was_read_is_not_read_again(
    run_step: RunStep, table: tuple[str, Path]
) -> None:
    address, file = table
    chain = {"data": address, "n_estimators": 1, "max_depth": 2, "report": "false", "jobs": 1}
    assert run_step("main", **chain).code == 0
    once = Versioned.read
    again = run_step("main", **chain)
    assert "preprocess: reusing run" in again.out
    assert Versioned.read == once
    # The same content is the same table, whichever version it is.
    os.utime(file)
    again = run_step("main", **chain)
    assert "preprocess: reusing run" in again.out
    assert Versioned.read > once
    file.write_bytes(file.read_bytes().replace(b"\r", b"") + b"1,2,3,4,5,6,7,8,1\n")
    again = run_step("main", **chain)
    assert "preprocess: reusing run" not in again.out
    assert len(all_runs("preprocess")) == 2


def test_only_a_strong_version_stands_for_the_content() -> None:
    strong = {"ETag": '"1"', "size": 3}
    known = sources.version("https://a/t.csv", strong)
    assert known == sources.version("https://a/t.csv", {**strong, "size": 4, "mtime": 5})
    assert len({known, sources.version("https://a/u.csv", strong), ""}) == 3
    assert sources.version("https://a/t.csv", {"ETag": '"2"'}) != known
    # A query may choose the content, or be a signature.
    for address, stated in (
        ("https://a/t.csv", {"ETag": 'W/"1"', "last_modified": "today"}),
        ("https://a/t.csv?table=2", strong),
    ):
        assert sources.version(address, stated) == ""


def test_a_run_s_data_sets_say_where_its_tables_are(
    run_step: RunStep, table: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = table
    run = run_step("preprocess", data=DIABETES, test_data=f"{address}?sig=secret").run
    found = {each.tags[0].value: each.dataset for each in run.inputs.dataset_inputs}
    assert found["data"].source_type == "local"
    assert json.loads(found["data"].source) == {"uri": str(DIABETES)}
    assert found["test_data"].source_type == "http"
    assert json.loads(found["test_data"].source) == {"url": address}
    assert found["data"].digest == found["test_data"].digest
    # In a job, the service has mounted the table: only the variable says what it was.
    asset = "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/data/patients/versions/3"
    monkeypatch.setenv("MLFLOW_AML_INPUTS", json.dumps({"data": asset}))
    run = run_step("preprocess", data=DIABETES).run
    (one,) = run.inputs.dataset_inputs
    assert (one.dataset.name, one.dataset.source_type) == ("azureml:patients:3", "azureml")
    assert json.loads(one.dataset.source) == {"uri": "azureml:patients:3"}
