"""What the workspace owns besides jobs: code, environments, data assets, datastores."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from aiohttp import ClientSession, web

from loopback.management import SCOPE
from loopback.names import BLOBSTORE, CONTAINER, Names
from loopback.storage import Storage
from loopback.tokens import azure_error

HASH_VERSION = "202208"
# Name of a datastore -> its container.
DATASTORES = {"workspaceblobstore": BLOBSTORE, "workspaceartifactstore": CONTAINER}
DEFAULT_DATASTORE = "workspaceblobstore"


@dataclass(frozen=True)
class Code:
    """An uploaded project: its address and hash, and the names of its blobs by path."""

    uri: str
    container: str
    digest: str
    blobs: dict[str, str]


@dataclass
class Resources:
    """The assets and datastores of the workspace."""

    names: Names
    storage: Storage = field(init=False)
    session: ClientSession = field(init=False)
    codes: dict[str, Code] = field(default_factory=dict)
    """By `name/version`; so are these."""
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: dict[str, dict[str, Any]] = field(default_factory=dict)

    def routes(self) -> list[web.RouteDef]:
        code = SCOPE + "/codes/{name}/versions"
        routes = [
            web.get(code, self._find_code),
            web.post(code + "/{version}/startPendingUpload", self._start_upload),
            web.put(code + "/{version}", self._put_code),
            web.get(code + "/{version}", self._get_code),
            web.get(SCOPE + "/datastores", self._list_datastores),
            web.get(SCOPE + "/datastores/{name}", self._datastore),
            web.post(SCOPE + "/datastores/{name}/listSecrets", self._datastore_secrets),
        ]
        for kind in ("environments", "data"):
            container = SCOPE + "/{kind:" + kind + "}/{name}"
            routes += [
                web.get(container, self._latest),
                web.get(container + "/versions", self._versions),
                web.get(container + "/versions/{version}", self._get),
                web.put(container + "/versions/{version}", self._put),
            ]
        return routes

    def find(self, kind: str, identifier: str) -> str | None:
        """Return `name/version` of an asset given by any of its ids, or None."""
        owned: dict[str, Any] = getattr(self, kind)
        if identifier.startswith("azureml:") and not identifier.startswith("azureml:/"):
            key = identifier.removeprefix("azureml:").replace(":", "/", 1)
        else:
            scope, _, key = identifier.removeprefix("azureml:").partition(f"/{kind}/")
            if scope.lower() != self.names.scope.lower():
                return None
            key = key.replace("/versions/", "/", 1)
        return key if key in owned else None

    async def _find_code(self, request: web.Request) -> web.Response:
        wanted = request.query.get("hash")
        if wanted is None or request.query.get("hashVersion") != HASH_VERSION:
            return web.json_response({"value": []})
        same = [key for key, code in self.codes.items() if code.digest == wanted]
        return web.json_response({"value": [self._code(key) for key in same]})

    async def _start_upload(self, _: web.Request) -> web.Response:
        container = f"code-{uuid.uuid4()}"
        await self.storage.create_container(self.session, container)
        address, signed = self.names.container_url(container, "rcwl")
        place = {
            "blobUri": address,
            "storageAccountArmId": "",
            "credential": {"credentialType": "SAS", "sasUri": signed},
        }
        return web.json_response(
            {
                "pendingUploadId": None,
                "pendingUploadType": "TemporaryBlobReference",
                "blobReferenceForConsumption": place,
            }
        )

    async def _put_code(self, request: web.Request) -> web.Response:
        properties = (await request.json())["properties"]
        container, _, folder = unquote(urlsplit(properties["codeUri"]).path)[1:].partition("/")
        prefix = f"{folder.rstrip('/')}/"
        blobs = await self.storage.list(self.session, prefix, container)
        paths = {blob.removeprefix(prefix): blob for blob in blobs}
        contents = {
            path: await self.storage.get(self.session, blob, container)
            for path, blob in paths.items()
        }
        digest = content_hash(contents)
        stated = properties.get("properties", {})
        if not blobs or stated.get("hash_sha256") != digest:
            return azure_error(
                400, "UserError", "The uploaded code does not match its content hash."
            )
        key = _key(request)
        self.codes[key] = Code(properties["codeUri"], container, digest, paths)
        return web.json_response(self._code(key), status=201)

    async def _get_code(self, request: web.Request) -> web.Response:
        key = _key(request)
        return web.json_response(self._code(key)) if key in self.codes else _missing(key)

    def _code(self, key: str) -> dict[str, Any]:
        code = self.codes[key]
        hashes = {"hash_sha256": code.digest, "hash_version": HASH_VERSION}
        properties = {"codeUri": code.uri, "properties": hashes, "isAnonymous": True}
        return self._resource("codes", key, properties)

    async def _latest(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        versions = [key.split("/")[1] for key in getattr(self, kind) if key.startswith(f"{name}/")]
        if not versions:
            return _missing(name)
        body = {
            "id": f"{self.names.scope}/{kind}/{name}",
            "name": name,
            "properties": {"latestVersion": versions[-1]},
        }
        return web.json_response(body)

    async def _versions(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        owned = getattr(self, kind)
        keys = [key for key in owned if key.startswith(f"{name}/")]
        if not keys:
            return _missing(name)
        value = [self._resource(kind, key, owned[key]) for key in reversed(keys)]
        return web.json_response({"value": value})

    async def _get(self, request: web.Request) -> web.Response:
        kind, key = request.match_info["kind"], _key(request)
        owned = getattr(self, kind)
        if key not in owned:
            return _missing(key)
        return web.json_response(self._resource(kind, key, owned[key]))

    async def _put(self, request: web.Request) -> web.Response:
        kind, key = request.match_info["kind"], _key(request)
        properties = (await request.json())["properties"]
        if kind == "environments":
            if not (properties.get("image") or properties.get("build")):
                return azure_error(400, "UserError", "An environment needs an image or a build.")
            if isinstance(properties.get("condaFile"), str):
                # Azure does not return it as it was sent, but as JSON text.
                properties["condaFile"] = json.dumps(yaml.safe_load(properties["condaFile"]))
        owned = getattr(self, kind)
        if key in owned and owned[key] != properties:
            return azure_error(409, "Conflict", f"{key} exists already, with another content.")
        status = 200 if key in owned else 201
        owned[key] = properties
        return web.json_response(self._resource(kind, key, properties), status=status)

    async def _list_datastores(self, _: web.Request) -> web.Response:
        return web.json_response({"value": [self._describe(name) for name in DATASTORES]})

    async def _datastore(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(self._describe(name)) if name in DATASTORES else _missing(name)

    async def _datastore_secrets(self, request: web.Request) -> web.Response:
        if request.match_info["name"] not in DATASTORES:
            return _missing(request.match_info["name"])
        return web.json_response({"secretsType": "AccountKey", "key": self.names.account_key})

    def _describe(self, name: str) -> dict[str, Any]:
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": self.names.account,
            "containerName": DATASTORES[name],
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": name == DEFAULT_DATASTORE,
            "credentials": {"credentialsType": "AccountKey"},
        }
        return {
            "id": f"{self.names.scope}/datastores/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/datastores",
            "properties": properties,
        }

    def _resource(self, kind: str, key: str, properties: dict[str, Any]) -> dict[str, Any]:
        name, version = key.split("/")
        return {
            "id": f"{self.names.scope}/{kind}/{name}/versions/{version}",
            "name": version,
            "type": f"Microsoft.MachineLearningServices/workspaces/{kind}/versions",
            "properties": properties,
        }


def content_hash(contents: dict[str, bytes]) -> str:
    """Hash the files of an uploaded folder as Azure's clients do."""
    names = sorted(contents, key=str.lower)
    result = hashlib.sha256(str(len(names)).encode())
    for name in names:
        result.update(f"#{name}#{len(contents[name])}".encode())
    for name in names:
        result.update(contents[name])
    return result.hexdigest()


def _key(request: web.Request) -> str:
    return f"{request.match_info['name']}/{request.match_info['version']}"


def _missing(name: str) -> web.Response:
    return azure_error(404, "UserError", f"Not found: {name}")
