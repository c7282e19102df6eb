"""Submit, show, list and cancel jobs, as Resource Manager and the run history do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from loopback.artifacts import container_of
from loopback.job import Job
from loopback.jobs import Runner
from loopback.management import MOST_NODES, SCOPE
from loopback.resources import Resources
from loopback.tokens import USER, azure_error
from loopback.tracking import TrackingError

_STATUS = {
    "RUNNING": "Running",
    "SCHEDULED": "Preparing",
    "FINISHED": "Completed",
    "FAILED": "Failed",
    "KILLED": "Canceled",
}
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,254}$")
# fmt: off
_MEMBERS = {
    "jobType", "displayName", "description", "experimentName", "command", "codeId",
    "environmentId", "computeId", "componentId", "environmentVariables", "tags", "properties",
    "inputs", "outputs", "limits", "resources", "distribution", "isArchived", "services",
    "identity", "queueSettings", "autologgerSettings", "notificationSetting", "parentJobName",
    "secretsConfiguration",
}
# fmt: on


class JobService:
    """Accept jobs, or say why not, and report their state."""

    def __init__(self, runner: Runner, resources: Resources, folder: Path) -> None:
        self.runner, self.resources, self.folder = runner, resources, folder
        self.names, self.tokens = runner.names, runner.tokens
        self.tracking, self.artifacts = runner.tracking, runner.artifacts

    def routes(self) -> list[web.RouteDef]:
        job = SCOPE + "/jobs/{run}"
        routes = [
            web.get(SCOPE + "/jobs", self._list),
            web.get(job, self._get),
            web.put(job, self._submit),
            web.delete(job, self._delete),
            web.post(job + "/cancel", self._cancel),
            web.get(SCOPE + "/jobOperations/{run}", self._operation),
        ]
        history = "/history/v1.0" + SCOPE
        for experiment in ("", "/experiments/{experiment}", "/experimentids/{experiment}"):
            run = history + experiment + "/runs/{run}"
            routes += [
                web.get(run, self._run),
                web.get(run + "/details", self._details),
                web.get(run + "/token", self._token),
            ]
        return routes

    async def _submit(self, request: web.Request) -> web.Response:
        name, properties = request.match_info["run"], (await request.json())["properties"]
        if refusal := self._problem(name, properties):
            return refusal
        code = self.resources.find("codes", properties["codeId"])
        environment = self.resources.find("environments", properties["environmentId"])
        assert code is not None
        assert environment is not None
        experiment, user = properties.get("experimentName") or "Default", request[USER]
        experiment_id = await self.tracking.create_run(name, experiment, user)
        label = {"run_id": name, "run_name": properties.get("displayName") or name}
        await self.tracking.call("POST", "runs/update", label)
        for key, value in (properties.get("tags") or {}).items():
            tag = {"run_id": name, "key": key, "value": value}
            await self.tracking.call("POST", "runs/set-tag", tag)
        job = Job(
            run=name,
            experiment=experiment,
            experiment_id=experiment_id,
            user=user,
            properties=properties,
            code_asset=self.resources.codes[code],
            environment=self.resources.environments[environment],
            folder=self.folder / "jobs" / name,
        )
        shown = self._shown(job)
        shown["properties"]["status"] = "Starting"
        self.runner.submit(job)
        return web.json_response(shown, status=201)

    def _problem(self, name: str, properties: dict[str, Any]) -> web.Response | None:
        """Return a refusal if Azure would refuse the job, else None."""
        if unknown := sorted(set(properties) - _MEMBERS):
            return _bad(f"Could not find member '{unknown[0]}' on object of type 'JobBase'.")
        if not _NAME.match(name):
            return _bad(f"'{name}' is no name of a job.")
        if name in self.runner.jobs:
            return azure_error(409, "Conflict", f"A job with the name {name} already exists.")
        compute = str(properties.get("computeId", "")).rpartition("/")[2]
        if compute not in self.names.computes:
            return _bad(f"Compute target {compute} is not in the workspace.")
        for kind, key in (("codes", "codeId"), ("environments", "environmentId")):
            if self.resources.find(kind, str(properties.get(key, ""))) is None:
                return _bad(f"Not found: {key} {properties.get(key)}.")
        nodes = (properties.get("resources") or {}).get("instanceCount") or 1
        if nodes > MOST_NODES:
            return _bad(
                f"Requested {nodes} nodes but AzureMLCompute cluster only has {MOST_NODES} "
                "maximum nodes."
            )
        if nodes > 1 and not properties.get("distribution"):
            return _bad("A job of several nodes needs a distribution.")
        for key, kind in (("limits", "jobLimitsType"), ("distribution", "distributionType")):
            if properties.get(key) and kind not in properties[key]:
                return _bad(f"Required property '{kind}' not found in JSON. Path '{key}'.")
        return None

    async def _get(self, request: web.Request) -> web.Response:
        job = self.runner.jobs.get(request.match_info["run"])
        return web.json_response(self._shown(job)) if job else _missing(request)

    async def _list(self, _: web.Request) -> web.Response:
        jobs = reversed(self.runner.jobs.values())
        return web.json_response({"value": [self._shown(job) for job in jobs]})

    async def _delete(self, request: web.Request) -> web.Response:
        if request.match_info["run"] not in self.runner.jobs:
            return _missing(request)
        self.runner.delete(request.match_info["run"])
        await self.tracking.call("POST", "runs/delete", {"run_id": request.match_info["run"]})
        return web.json_response({})

    async def _cancel(self, request: web.Request) -> web.Response:
        run = request.match_info["run"]
        if run not in self.runner.jobs:
            return _missing(request)
        self.runner.cancel(run)
        where = f"https://{request.host}{self.names.scope}/jobOperations/{run}"
        version = request.query["api-version"]
        headers = {"Location": f"{where}?api-version={version}", "Retry-After": "1"}
        return web.json_response({}, status=202, headers=headers)

    async def _operation(self, request: web.Request) -> web.Response:
        job = self.runner.jobs.get(request.match_info["run"])
        if job is not None and job.ended is None:
            where = {"Location": str(request.url), "Retry-After": "1"}
            return web.json_response({}, status=202, headers=where)
        return web.json_response({})

    def _shown(self, job: Job) -> dict[str, Any]:
        endpoint = {"jobServiceType": "Tracking", "endpoint": self.names.tracking_uri}
        page = f"https://ml.azure.com/runs/{job.run}?wsid={self.names.scope}"
        outputs = dict(job.properties.get("outputs") or {})
        outputs["default"] = {
            "jobOutputType": "uri_folder",
            "mode": "ReadWriteMount",
            "uri": f"azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.{job.run}",
        }
        return {
            "id": f"{self.names.scope}/jobs/{job.run}",
            "name": job.run,
            "type": "Microsoft.MachineLearningServices/workspaces/jobs",
            "properties": {
                **job.properties,
                "status": job.status,
                "outputs": outputs,
                "services": {
                    "Tracking": endpoint,
                    "Studio": {"jobServiceType": "Studio", "endpoint": page},
                },
            },
            "systemData": {"createdAt": job.created, "createdBy": job.user},
        }

    async def _run(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(await self._describe(request.match_info["run"]))
        except TrackingError as error:
            return azure_error(error.status, "NotFound", str(error))

    async def _details(self, request: web.Request) -> web.Response:
        run = request.match_info["run"]
        try:
            described = await self._describe(run)
        except TrackingError as error:
            return azure_error(error.status, "NotFound", str(error))
        logs = [
            path
            for path in self.artifacts.paths(run)
            if path.startswith(("user_logs/", "system_logs/", "azureml-logs/"))
        ]
        content = {p: self.artifacts.content("ExperimentRun", container_of(run), p) for p in logs}
        details = {
            **described,
            "logFiles": {path: found["contentUri"] for path, found in content.items()},
            "inputDatasets": [],
            "warnings": [],
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
        if info.get("lifecycle_stage") == "deleted":
            raise TrackingError(404, {"message": f"Run {run} was deleted."})
        tag = {item["key"]: item["value"] for item in tags}
        job = self.runner.jobs.get(run)
        status = job.status if job else _STATUS[info["status"]]
        message = job.error if job and job.error else "The run failed."
        error = {"error": {"code": "UserError", "message": message}}
        return {
            "runId": run,
            "displayName": info.get("run_name"),
            "status": status,
            "experimentId": info["experiment_id"],
            "rootRunId": tag.get("mlflow.rootRunId", run),
            "parentRunId": tag.get("mlflow.parentRunId"),
            "dataContainerId": container_of(run),
            "createdUtc": _time(info.get("start_time")),
            "startTimeUtc": job.started if job else _time(info.get("start_time")),
            "endTimeUtc": job.ended if job else _time(info.get("end_time")),
            "properties": {},
            "tags": tag,
            "target": str(job.properties["computeId"]).rpartition("/")[2] if job else "local",
            "runType": "azureml.commandjob" if job else "mlflow",
            "createdBy": {"userName": tag.get("mlflow.user")},
            "error": error if status == "Failed" else None,
        }


def _bad(message: str) -> web.Response:
    return azure_error(400, "UserError", message)


def _missing(request: web.Request) -> web.Response:
    return azure_error(404, "UserError", f"Job {request.match_info['run']} was not found.")


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
