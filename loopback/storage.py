"""Azurite, Microsoft's storage emulator, as the workspace's blob storage."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from aiohttp import ClientSession, web
from yarl import URL

from loopback.forward import forward
from loopback.names import CONTAINER, Names
from loopback.processes import Server, free_port, plain_environment
from loopback.tokens import Tokens

AZURITE_VERSION = "3.35.0"
_VERSION = {"x-ms-version": "2021-08-06"}


class StorageUnavailableError(Exception):
    """Azurite cannot run here; the message says why."""


def find_azurite() -> list[str]:
    """Return the command that starts Azurite, installed into the user's cache if need be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise StorageUnavailableError("Azurite needs Node.js, and there is no 'node' on PATH")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / f"azurite-{AZURITE_VERSION}"
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.is_file():
        if npm is None:
            raise StorageUnavailableError(
                f"Azurite is not in {folder}, and there is no 'npm' on PATH to install it"
            )
        _install(npm, folder)
    return [node, str(program)]


def _install(npm: str, folder: Path) -> None:
    # Build it next to its place and rename it, so that parallel test runs never see half of it.
    staging = folder.with_name(f"{folder.name}.{os.getpid()}")
    command = [npm, "install", "--prefix", str(staging), "--no-audit", "--no-fund", "--omit=dev"]
    staging.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*command, f"azurite@{AZURITE_VERSION}"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        shutil.rmtree(staging, ignore_errors=True)
        raise StorageUnavailableError(
            f"npm could not install azurite@{AZURITE_VERSION}: {done.stderr[-500:]}"
        )
    try:
        staging.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(staging, ignore_errors=True)


class Storage:
    """The blob service of one workspace, in memory, with the product's account and host name."""

    def __init__(self, names: Names, tokens: Tokens, folder: Path) -> None:
        self.names = names
        self.tokens = tokens
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        options += [
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--skipApiVersionCheck",
            "--silent",
        ]
        env = plain_environment() | {"AZURITE_ACCOUNTS": f"{names.account}:{names.account_key}"}
        self.server = Server(
            "azurite", [*find_azurite(), *options], env, folder / "azurite.log", port
        )

    async def create_container(self, session: ClientSession, container: str) -> None:
        async with session.put(self._container(container), headers=_VERSION) as answer:
            answer.raise_for_status()

    async def list(self, session: ClientSession, prefix: str, container: str) -> list[str]:
        """Return the names of the blobs that start with a prefix."""
        names: list[str] = []
        marker = ""
        while True:
            query = f"&comp=list&prefix={quote(prefix)}&marker={quote(marker)}"
            url = URL(f"{self._container(container)}{query}", encoded=True)
            async with session.get(url, headers=_VERSION) as answer:
                answer.raise_for_status()
                listed = ElementTree.fromstring(await answer.text())
            names += [str(name.text) for name in listed.iterfind("Blobs/Blob/Name")]
            marker = listed.findtext("NextMarker") or ""
            if not marker:
                return names

    def _container(self, container: str) -> URL:
        sas = self.names.account_sas()
        url = f"{self.url}/{self.names.account}/{container}?restype=container&{sas}"
        return URL(url, encoded=True)

    async def handle(self, request: web.Request, session: ClientSession) -> web.Response:
        """Answer a request for the account's host name."""
        host = f"{self.names.blob_host}:{self.server.port}"
        url = self.url + request.raw_path
        more = {}
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind == "SharedKey":
            # A client that has the account's key signs its requests itself.
            more = {"Authorization": f"{kind} {token}"}
        elif kind == "Bearer":
            # Azurite takes logins over TLS only, which ends here: what it gets is a signature.
            if not self.tokens.is_for_storage(token):
                return web.Response(
                    status=401, headers={"x-ms-error-code": "InvalidAuthenticationInfo"}
                )
            url += f"{'&' if '?' in url else '?'}{self.names.account_sas('rwdlac')}"
        status, headers, body = await forward(session, request, url, host, more)
        return web.Response(status=status, headers=headers, body=body)

    async def put(
        self, session: ClientSession, blob: str, content: bytes, container: str = CONTAINER
    ) -> None:
        """Write a blob, replacing any old one."""
        headers = _VERSION | {"x-ms-blob-type": "BlockBlob"}
        url = self._local(blob, "rcw", container)
        async with session.put(url, data=content, headers=headers) as answer:
            answer.raise_for_status()

    async def get(self, session: ClientSession, blob: str, container: str = CONTAINER) -> bytes:
        """Read a blob."""
        async with session.get(self._local(blob, "r", container)) as answer:
            answer.raise_for_status()
            return await answer.read()

    def _local(self, blob: str, permission: str, container: str) -> URL:
        address = self.names.blob_url(blob, permission, container)
        local = f"{self.url}/{self.names.account}"
        return URL(address.replace(f"https://{self.names.blob_host}", local), encoded=True)
