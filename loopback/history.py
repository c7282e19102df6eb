"""Experiments, runs and environments as azureml-core sees them, and the submission of jobs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from loopback.artifacts import Artifacts, container_of
from loopback.jobs import Job, Runner
from loopback.management import SCOPE
from loopback.names import Names
from loopback.tokens import USER, Tokens, azure_error
from loopback.tracking import Tracking, TrackingError

_STATUS = {
    "RUNNING": "Running",
    "SCHEDULED": "Preparing",
    "FINISHED": "Completed",
    "FAILED": "Failed",
    "KILLED": "Canceled",
}


class History:
    """Show the runs of the mlflow server, jobs or not, as Azure ML's run history."""

    def __init__(
        self,
        names: Names,
        tokens: Tokens,
        tracking: Tracking,
        artifacts: Artifacts,
        runner: Runner,
        folder: Path,
    ) -> None:
        self.names = names
        self.tokens = tokens
        self.tracking = tracking
        self.artifacts = artifacts
        self.runner = runner
        self.folder = folder
        self.environments: dict[str, list[dict[str, Any]]] = {}
        self._properties: dict[str, dict[str, str]] = {}

    def routes(self) -> list[web.RouteDef]:
        history, execution = "/history/v1.0" + SCOPE, "/execution/v1.0" + SCOPE
        environment = "/environment/v1.0" + SCOPE + "/environments/{name}"
        routes = [
            web.get(history + "/experiments/{experiment}", self._experiment),
            web.post(history + "/experiments/{experiment}", self._create_experiment),
            web.post(execution + "/experiments/{experiment}/snapshotrun", self._submit),
            web.post(execution + "/experiments/{experiment}/runId/{run}/cancel", self._cancel),
            web.post("/metric/v2.0" + SCOPE + "/runs/{run}/batch", self._metrics),
            web.put(environment, self._register),
            web.put(environment + "/versions/{version}", self._register),
            web.get(environment, self._environment),
            web.get(environment + "/versions/{version}", self._environment),
        ]
        for experiment in ("/experiments/{experiment}", "/experimentids/{experiment}"):
            run = history + experiment + "/runs/{run}"
            routes += [
                web.get(run, self._run),
                web.patch(run, self._patch),
                web.get(run + "/details", self._details),
                web.get(run + "/token", self._token),
                web.post(run + "/events", self._event),
                web.get(run + "/metricsingest/wait", self._ingested),
            ]
        return routes

    async def _experiment(self, request: web.Request) -> web.Response:
        name = request.match_info["experiment"]
        try:
            query = {"experiment_name": name}
            found = await self.tracking.call("GET", "experiments/get-by-name", query)
        except TrackingError as error:
            return azure_error(error.status, "NotFound", f"Experiment {name} not found.")
        return _experiment_dto(found["experiment"]["experiment_id"], name)

    async def _create_experiment(self, request: web.Request) -> web.Response:
        name = request.match_info["experiment"]
        made = await self.tracking.call("POST", "experiments/create", {"name": name})
        return _experiment_dto(made["experiment_id"], name)

    async def _submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        configuration, snapshot = body["Configuration"], body["SnapshotId"]
        if configuration["target"] not in self.names.computes:
            message = f"Compute target {configuration['target']} is not in the workspace."
            return azure_error(400, "UserError", message)
        name = request.match_info["experiment"]
        query = {"experiment_name": name}
        found = await self.tracking.call("GET", "experiments/get-by-name", query)
        experiment_id = found["experiment"]["experiment_id"]
        tags = [{"key": "mlflow.user", "value": request[USER]}]
        start = {"experiment_id": experiment_id, "tags": tags, "start_time": _milliseconds()}
        made = await self.tracking.call("POST", "runs/create", start)
        run = made["run"]["info"]["run_id"]
        scheduled = {"run_id": run, "status": "SCHEDULED"}
        await self.tracking.call("POST", "runs/update", scheduled)
        folder = self.folder / "jobs" / run
        self._properties[run] = dict(self.runner.snapshots.all[snapshot].properties)
        self.runner.submit(Job(run, name, experiment_id, snapshot, configuration, folder))
        return web.json_response({"runId": run})

    async def _cancel(self, request: web.Request) -> web.Response:
        self.runner.cancel(request.match_info["run"])
        return web.json_response({})

    async def _event(self, request: web.Request) -> web.Response:
        run, event = request.match_info["run"], (await request.json())["name"].rsplit(".", 1)[-1]
        if event in ("Canceled", "CancelRequested"):
            self.runner.cancel(run)
        return web.json_response({})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.json_response({"errors": []})

    async def _ingested(self, _: web.Request) -> web.Response:
        return web.json_response({})  # `Run.cancel` and `Run.flush` ask; nothing is ever pending

    async def _patch(self, request: web.Request) -> web.Response:
        run, body = request.match_info["run"], await request.json()
        self._properties.setdefault(run, {}).update(body.get("properties") or {})
        if name := body.get("displayName"):
            await self.tracking.call("POST", "runs/update", {"run_id": run, "run_name": name})
        for key, value in (body.get("tags") or {}).items():
            tag = {"run_id": run, "key": key, "value": value}
            await self.tracking.call("POST", "runs/set-tag", tag)
        return await self._run(request)

    async def _run(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(await self._describe(request.match_info["run"]))
        except TrackingError as error:
            return azure_error(error.status, "NotFound", str(error))

    async def _details(self, request: web.Request) -> web.Response:
        run = request.match_info["run"]
        described = await self._describe(run)
        job = self.runner.jobs.get(run)
        logs = [
            p for p in self.artifacts.paths(run) if p.startswith(("user_logs/", "system_logs/"))
        ]
        content = {p: self.artifacts.content("ExperimentRun", container_of(run), p) for p in logs}
        details = {
            **described,
            "runDefinition": job.configuration if job else {},
            "logFiles": {path: found["contentUri"] for path, found in content.items()},
            "inputDatasets": [],
        }
        return web.json_response(details)

    async def _token(self, request: web.Request) -> web.Response:
        token, expires = self.tokens.issue("job", run=request.match_info["run"])
        expiry = datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z")
        return web.json_response({"token": token, "expiryTimeUtc": expiry})

    async def _describe(self, run: str) -> dict[str, Any]:
        """Return Azure ML's description of a run. Raises TrackingError if there is none."""
        found = (await self.tracking.call("GET", "runs/get", {"run_id": run}))["run"]
        info, tags = found["info"], found["data"].get("tags", [])
        tag = {item["key"]: item["value"] for item in tags}
        job = self.runner.jobs.get(run)
        status = job.status if job else _STATUS[info["status"]]
        failed = status == "Failed"
        message = job.error if job and job.error else "The run failed."
        cancel = f"{self.names.api_url}/execution/v1.0{self.names.scope}"
        return {
            "runId": run,
            "runNumber": info.get("start_time"),
            "displayName": info.get("run_name"),
            "status": status,
            "experimentId": info["experiment_id"],
            "rootRunId": tag.get("mlflow.rootRunId", run),
            "parentRunId": tag.get("mlflow.parentRunId"),
            "dataContainerId": container_of(run),
            "createdUtc": _time(info.get("start_time")),
            "startTimeUtc": job.started if job else _time(info.get("start_time")),
            "endTimeUtc": job.ended if job else _time(info.get("end_time")),
            "properties": self._properties.get(run, {}),
            "tags": tag,
            "target": job.configuration["target"] if job else "local",
            "runType": "azureml.scriptrun" if job else "mlflow",
            "createdBy": {"userName": tag.get("mlflow.user")},
            "error": {"error": {"code": "UserError", "message": message}} if failed else None,
            "cancelUri": f"{cancel}/experiments/{job.experiment}/runId/{run}/cancel"
            if job
            else None,
        }

    async def _register(self, request: web.Request) -> web.Response:
        definition = _camel(await request.json())
        versions = self.environments.setdefault(request.match_info["name"], [])
        if not versions or json.dumps(versions[-1]) != json.dumps(definition):
            versions.append(definition)
        return self._found(request.match_info["name"], len(versions))

    async def _environment(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        versions = self.environments.get(name, [])
        version = int(request.match_info.get("version", len(versions)))
        if not 0 < version <= len(versions):
            return azure_error(404, "UserError", f"No environment exists for name: {name}")
        return self._found(name, version)

    def _found(self, name: str, version: int) -> web.Response:
        definition = self.environments[name][version - 1]
        return web.json_response({**definition, "name": name, "version": str(version)})


def _experiment_dto(experiment_id: str, name: str) -> web.Response:
    return web.json_response({"experimentId": experiment_id, "name": name})


def _camel(body: dict[str, Any]) -> dict[str, Any]:
    return {key[0].lower() + key[1:]: value for key, value in body.items()}


def _milliseconds() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
