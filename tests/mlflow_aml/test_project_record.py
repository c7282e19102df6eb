"""What is recorded of a project's run holds no secret, wherever mlflow takes it from."""

from __future__ import annotations

from pathlib import Path

from mlflow.projects._project_spec import EntryPoint

from mlflow_aml.project_record import project_record

CANARY = "canary-3c80"


def test_addresses_are_masked(tmp_path: Path) -> None:
    origin = f"https://user:{CANARY}@example.org/project.git"
    step = EntryPoint("main", {}, "python main.py")
    given = {"data": f"https://example.org/t.csv?sig={CANARY}"}
    record = project_record(origin, tmp_path, None, step, given, {"team": origin})
    assert record.tags["mlflow.source.name"] == "https://***@example.org/project.git"
    assert record.tags["team"] == "https://***@example.org/project.git"
    assert record.params["data"] == "'https://example.org/t.csv?sig=***'"
    assert CANARY not in str(record)
