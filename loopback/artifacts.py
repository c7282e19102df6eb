"""The artifact service: which files a run has, and signed addresses to write and read them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from loopback.management import SCOPE
from loopback.names import Names
from loopback.tokens import azure_error

RUN = "ExperimentRun"


def container_of(run: str) -> str:
    return f"dcid.{run}"


class Artifacts:
    """Keep the list of artifacts per (origin, container); the bytes are in blob storage."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._paths: dict[tuple[str, str], list[str]] = {}

    def routes(self) -> list[web.RouteDef]:
        bases = [
            "/history/v1.0" + SCOPE + "/experiments/{experiment}/runs/{run}/artifacts",
            "/history/v1.0" + SCOPE + "/experimentids/{experiment}/runs/{run}/artifacts",
            "/artifact/v2.0" + SCOPE + "/artifacts/{origin}/{container}",
        ]
        routes = [
            web.get(
                "/artifact/v2.0"
                + SCOPE
                + "/artifacts/prefix/contentinfo/{origin}/{container}/{prefix:.*}",
                self._addresses,
            )
        ]
        for base in bases:
            routes += [
                web.post(base + "/batch/metadata", self._create),
                web.get(base + "/contentinfo", self._content),
                web.get(base + "/prefix/contentinfo", self._addresses),
                web.get(base, self._list),
            ]
        return routes

    def paths(self, run: str) -> list[str]:
        """Return the paths of a run's artifacts."""
        return list(self._paths.get((RUN, container_of(run)), []))

    def blobs(self) -> set[str]:
        """Return the names of all artifacts' blobs."""
        return {
            f"{origin}/{container}/{path}"
            for (origin, container), paths in self._paths.items()
            for path in paths
        }

    def add(self, origin: str, container: str, path: str) -> str:
        """Register an artifact and return the name of its blob."""
        paths = self._paths.setdefault((origin, container), [])
        if path not in paths:
            paths.append(path)
        return f"{origin}/{container}/{path}"

    def content(
        self, origin: str, container: str, path: str, permission: str = "r"
    ) -> dict[str, Any]:
        """Describe one artifact as the service does, with its signed address."""
        address = self.names.blob_url(f"{origin}/{container}/{path}", permission)
        return {"contentUri": address, "origin": origin, "container": container, "path": path}

    async def _create(self, request: web.Request) -> web.Response:
        origin, container = _place(request)
        wanted = [item["path"] for item in (await request.json())["paths"]]
        for path in wanted:
            self.add(origin, container, path)
        written = {path: self.content(origin, container, path, "rcw") for path in wanted}
        return web.json_response(
            {"artifactContentInformation": written, "artifacts": {}, "errors": {}}
        )

    async def _list(self, request: web.Request) -> web.Response:
        origin, container = _place(request)
        value = [
            {
                "artifactId": f"{origin}/{container}/{path}",
                "origin": origin,
                "container": container,
                "path": path,
            }
            for path in self._paths.get((origin, container), [])
        ]
        return web.json_response({"value": value, "continuationToken": None, "nextLink": None})

    async def _content(self, request: web.Request) -> web.Response:
        origin, container = _place(request)
        path = request.query.get("path", "")
        if path not in self._paths.get((origin, container), []):
            return azure_error(
                404,
                "UserError",
                f"Could not find artifact with path {path} in container {container}.",
            )
        return web.json_response(self.content(origin, container, path))

    async def _addresses(self, request: web.Request) -> web.Response:
        origin, container = _place(request)
        prefix = request.match_info.get("prefix") or request.query.get("path", "")
        paths = [p for p in self._paths.get((origin, container), []) if p.startswith(prefix)]
        value = [self.content(origin, container, path) for path in paths]
        return web.json_response({"value": value, "continuationToken": None})


def _place(request: web.Request) -> tuple[str, str]:
    place = request.match_info
    if "run" in place:
        return RUN, container_of(place["run"])
    return place["origin"], place["container"]
