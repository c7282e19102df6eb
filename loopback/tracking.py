"""The workspace's MLflow routes: a real mlflow server without what Azure ML lacks."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from loopback.forward import forward
from loopback.management import SCOPE
from loopback.names import Names

# Azure ML has MLflow 2's API: logged models, datasets, traces and api/3.0 get an empty 404.
_KNOWN = re.compile(
    r"api/2\.0/(preview/)?mlflow/(experiments|runs|metrics|registered-models|model-versions)/[a-z-]+$"
)
_UNKNOWN = re.compile(r"runs/outputs$|experiments/search-datasets$")
_PARAMETERS = 200


class TrackingError(Exception):
    """The mlflow server refused a call that the workspace made for itself."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("message", str(status)))
        self.status = status


class Tracking:
    """Forward MLflow calls to the server and give artifacts their Azure ML addresses."""

    def __init__(self, names: Names, url: str, database: Path) -> None:
        self.url = url
        self.database = database
        self.session: ClientSession
        self._parameters: dict[str, set[str]] = {}
        self._experiments: dict[str, str] = {}
        root = re.escape(names.artifact_root)
        self._address = re.compile(rf"({root}/[0-9]+)/([A-Za-z0-9][\w-]*)/artifacts")

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/mlflow/v2.0" + SCOPE + "/{call:.*}", self._handle)]

    async def call(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a call of the workspace's own; path as in `runs/get`. Raises TrackingError."""
        arguments: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        url = f"{self.url}/api/2.0/mlflow/{path}"
        async with self.session.request(method, url, **arguments) as answer:
            content = await answer.json(content_type=None)
            if answer.status != 200:
                raise TrackingError(answer.status, content)
            return dict(content)

    async def create_run(self, run: str, experiment: str, user: str) -> str:
        """Create a run with an id of the caller's choice; return its experiment's id.

        An mlflow server draws the ids of its runs; Azure ML takes the name of the job. So the
        run is given its name in the server's database, before anybody knows it by another.
        """
        experiment_id = await self._experiment_id(experiment)
        tags = [{"key": "mlflow.user", "value": user}]
        start = {"experiment_id": experiment_id, "tags": tags, "start_time": int(time.time() * 1e3)}
        made = await self.call("POST", "runs/create", start)
        drawn = made["run"]["info"]["run_id"]
        await asyncio.to_thread(self._rename, drawn, run)
        await self.call("POST", "runs/update", {"run_id": run, "status": "SCHEDULED"})
        return experiment_id

    async def _experiment_id(self, name: str) -> str:
        try:
            query = {"experiment_name": name}
            found = await self.call("GET", "experiments/get-by-name", query)
            return str(found["experiment"]["experiment_id"])
        except TrackingError:
            made = await self.call("POST", "experiments/create", {"name": name})
            return str(made["experiment_id"])

    def _rename(self, drawn: str, run: str) -> None:
        with closing(sqlite3.connect(self.database, timeout=30)) as database, database:
            database.execute("UPDATE tags SET run_uuid = ? WHERE run_uuid = ?", (run, drawn))
            database.execute(
                "UPDATE runs SET run_uuid = ?, artifact_uri = replace(artifact_uri, ?, ?) "
                "WHERE run_uuid = ?",
                (run, drawn, run, drawn),
            )

    async def _handle(self, request: web.Request) -> web.Response:
        call = request.match_info["call"]
        if not _KNOWN.match(call) or _UNKNOWN.search(call):
            return web.Response(status=404)
        asynchronous = call.endswith("runs/log-batch-async")
        if asynchronous:
            call = "api/2.0/mlflow/runs/log-batch"
        if refusal := await self._too_many_parameters(request, call):
            return refusal
        raw = request.rel_url.raw_query_string
        query = f"?{raw}" if raw else ""
        status, headers, body = await forward(self.session, request, f"{self.url}/{call}{query}")
        if asynchronous and status == 200:
            return web.json_response({"batch_tracking_id": ""})  # empty: there is nothing to poll
        text = self._address.sub(r"\1/runs/\2/artifacts", body.decode())
        return web.Response(status=status, headers=headers, body=text.encode())

    async def _too_many_parameters(self, request: web.Request, call: str) -> web.Response | None:
        if not call.endswith(("runs/log-batch", "runs/log-parameter")):
            return None
        body = json.loads(await request.read())
        seen = self._parameters.setdefault(body.get("run_id") or body.get("run_uuid"), set())
        keys = seen | {item["key"] for item in body.get("params", [body] if "key" in body else [])}
        if len(keys) > _PARAMETERS:
            message = (
                f"A run can have {_PARAMETERS} parameters; this call would make it {len(keys)}."
            )
            return web.json_response(
                {"error_code": "INVALID_PARAMETER_VALUE", "message": message}, status=400
            )
        seen |= keys
        return None
