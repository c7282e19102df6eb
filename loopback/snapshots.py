"""The content service: the project folders that clients upload to run jobs from."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import ClientSession, web

from loopback.management import SCOPE
from loopback.names import CONTAINER, Names
from loopback.storage import Storage
from loopback.tokens import azure_error


@dataclass(frozen=True)
class Snapshot:
    """One uploaded state of a project folder."""

    id: str
    tree: dict[str, Any]
    blobs: dict[str, str]
    """path in the folder -> name of its blob, also of what an earlier snapshot sent."""
    uploaded: tuple[str, ...]
    """The paths that this snapshot sent, that is the new and the changed ones."""
    properties: dict[str, str]


class Snapshots:
    """Take uploads as differences to the snapshot before, and put whole folders together again."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.storage: Storage
        self.all: dict[str, Snapshot] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/content/v1.0" + SCOPE + "/snapshots/latest/metadata", self._latest),
            web.post("/content/v2.0" + SCOPE + "/snapshots/getblob", self._addresses),
            web.post("/content/v2.0" + SCOPE + "/snapshots/{snapshot}", self._create),
        ]

    async def assemble(self, session: ClientSession, snapshot: str, folder: Path) -> None:
        """Write the files of a snapshot into a folder."""
        blobs = self.all[snapshot].blobs
        contents = await asyncio.gather(*(self.storage.get(session, b) for b in blobs.values()))
        for path, content in zip(blobs, contents, strict=True):
            target = folder / PurePosixPath(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    async def _latest(self, _: web.Request) -> web.Response:
        if not self.all:
            return web.json_response({"id": str(uuid.UUID(int=0)), "root": {}})
        latest = list(self.all.values())[-1]
        return web.json_response({"id": latest.id, "root": latest.tree})

    async def _addresses(self, request: web.Request) -> web.Response:
        files = (await request.json())["FileNames"]
        upload = uuid.uuid4()
        nodes = [
            {"fullName": f, "blobUri": self.names.blob_url(f"snapshots/{upload}/{f}", "rcw")}
            for f in files
        ]
        return web.json_response({"fileNodes": nodes})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        parent = self.all.get(body["ParentSnapshotId"])
        known = parent.blobs if parent else {}
        sent = {n["FullName"]: _blob(n["BlobUri"]) for n in body["FileRevisionList"]["FileNodes"]}
        tree = body["DirTreeNode"]
        paths = list(_files(tree))
        if missing := [path for path in paths if path not in known and path not in sent]:
            return azure_error(400, "UserError", f"The parent snapshot has no file {missing[0]}.")
        blobs = {path: sent.get(path) or known[path] for path in paths}
        name = request.match_info["snapshot"]
        properties = body.get("Properties") or {}
        self.all[name] = Snapshot(name, tree, blobs, tuple(sent), properties)
        return web.json_response({"id": name})


def _blob(address: str) -> str:
    return unquote(urlsplit(address).path).removeprefix(f"/{CONTAINER}/")


def _files(node: dict[str, Any], folder: str = "") -> Iterator[str]:
    for name, child in node["children"].items():
        path = f"{folder}{name}"
        if child["type"] == "File":
            yield path
        else:
            yield from _files(child, f"{path}/")
