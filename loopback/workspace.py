"""The loopback workspace: assembles, starts and stops all parts of `loopback`."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

import trustme
from aiohttp import ClientSession, TCPConnector, web
from yarl import URL

from loopback.artifacts import Artifacts
from loopback.faults import Faults
from loopback.job import Job
from loopback.job_service import JobService
from loopback.jobs import Runner
from loopback.management import Management
from loopback.mounts import Mounts
from loopback.names import ARM_HOST, BLOBSTORE, CONTAINER, LOGIN_HOST, Names
from loopback.processes import Server, free_port, plain_environment
from loopback.proxy import ConnectProxy
from loopback.resources import Resources
from loopback.storage import Storage
from loopback.tokens import Tokens, azure_error
from loopback.tracking import Tracking

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BODY_LIMIT = 1 << 30
# Run by path: importing it here would cost this process an import of mlflow.
_MLFLOW_SERVER = Path(__file__).with_name("mlflow_server.py")


class LoopbackWorkspace:
    """An Azure ML workspace on this machine, for unmodified clients.

    Use as a context manager. Its services run in a thread of this process, mlflow and Azurite in
    processes beside it. `env` is what a client process needs to reach it, and nothing else does.
    """

    def __init__(self) -> None:
        self.names = Names()
        self.folder = Path(tempfile.mkdtemp(prefix="loopback-workspace-"))
        self.faults = Faults(self._set_dead)
        self.requests: list[str] = []
        """One line per request that was answered: METHOD host/path status."""
        self.tokens = Tokens(self.names, self.faults)
        self.management = Management(self.names)
        self.artifacts = Artifacts(self.names)
        self.resources = Resources(self.names)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loopback", daemon=True)
        self._authority = trustme.CA()
        self._servers: list[Server] = []
        self._runners: list[web.AppRunner] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def refused(self) -> list[str]:
        """The hosts other than the workspace's own that clients asked for."""
        return self.proxy.refused

    @property
    def jobs(self) -> dict[str, Job]:
        """The submitted jobs by run id, with what was uploaded for them and what they printed."""
        return self.runner.jobs

    def env(self, home: Path, user: int = 0) -> dict[str, str]:
        """Return the whole environment of a client process that logs in as the given user.

        The home folder is the client's own: Azure's clients keep caches there.
        """
        home.mkdir(parents=True, exist_ok=True)
        return plain_environment() | self.variables(user) | {"HOME": str(home)}

    def variables(self, user: int = 0) -> dict[str, str]:
        """Return the variables that lead a client here, with the login of one of the users."""
        client, secret = list(self.names.users.items())[user]
        return self.network() | {
            "AZURE_TENANT_ID": self.names.tenant,
            "AZURE_CLIENT_ID": client,
            "AZURE_CLIENT_SECRET": secret,
        }

    def network(self) -> dict[str, str]:
        """Return the variables that lead a client's connections here, without a login."""
        authority = str(self.folder / "ca.pem")
        return {
            "HTTP_PROXY": self.proxy_url,
            "HTTPS_PROXY": self.proxy_url,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": authority,
            "SSL_CERT_FILE": authority,
            # Another host: it would be refused.
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def publish(self, url: str, content: bytes) -> None:
        """Answer GET of an https address outside Azure, for clients and for jobs' inputs."""
        self.runner.mounts.published[url] = content
        host = str(URL(url).host)
        if host not in self.proxy.ports:
            self.run(self._open_host(host))

    def write_config(self, folder: Path) -> Path:
        """Write the workspace's config.json into a folder."""
        path = folder / "config.json"
        path.write_text(self.names.config_json())
        return path

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        """Run a coroutine in the workspace's thread and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def start(self) -> None:
        """Start everything; StorageUnavailableError if Azurite cannot run here."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything and remove the workspace's folder."""
        if self._thread.is_alive():
            self.run(self._stop_services())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
        for server in self._servers:
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self.storage = Storage(self.names, self.tokens, self.folder)
        self._servers.append(self.storage.server)
        port = free_port()
        command = [sys.executable, str(_MLFLOW_SERVER), str(port)]
        command += [f"sqlite:///{self.folder}/mlflow.db", self.names.artifact_root]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        env = plain_environment() | quiet
        self._servers.append(Server("mlflow", command, env, self.folder / "mlflow.log", port))
        database = self.folder / "mlflow.db"
        self.tracking = Tracking(self.names, f"http://127.0.0.1:{port}", database)
        self.resources.storage = self.storage
        self.runner = Runner(
            self.names,
            self.tokens,
            self.tracking,
            self.artifacts,
            self.storage,
            Mounts(self.names, self.resources),
        )
        self.job_service = JobService(self.runner, self.resources, self.folder)
        self._thread.start()
        self.run(self._start_services())
        for server in self._servers:
            server.wait()
        for container in (CONTAINER, BLOBSTORE):
            self.run(self.storage.create_container(self._session, container))

    async def _start_services(self) -> None:
        # The servers close a connection that has been idle for five seconds. A request that meets
        # that end is lost, so connections are given up before.
        connector = TCPConnector(keepalive_timeout=2)
        self._session = ClientSession(connector=connector, auto_decompress=False)
        self.tracking.session = self.resources.session = self._session
        self._authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        names = self.names
        hosts = (LOGIN_HOST, ARM_HOST, names.api_host, names.blob_host)
        context = self._certified(*hosts)
        api = web.Application(client_max_size=_BODY_LIMIT, middlewares=[self._watch, self._guard])
        parts = (self.tokens, self.management, self.tracking, self.artifacts)
        for part in (*parts, self.resources, self.job_service):
            api.add_routes(part.routes())
        blobs = web.Application(client_max_size=_BODY_LIMIT, middlewares=[self._watch])
        blobs.add_routes([web.route("*", "/{blob:.*}", self._blob)])
        api_port, blob_port = await self._serve(api, context), await self._serve(blobs, context)
        self.proxy = ConnectProxy({**dict.fromkeys(hosts, api_port), names.blob_host: blob_port})
        self.proxy_url = f"http://127.0.0.1:{await self.proxy.start()}"
        self.runner.network = self.network()

    def _certified(self, *hosts: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(*hosts).configure_cert(context)
        return context

    async def _open_host(self, host: str) -> None:
        application = web.Application()
        application.add_routes([web.get("/{path:.*}", self._published)])
        self.proxy.ports[host] = await self._serve(application, self._certified(host))

    async def _published(self, request: web.Request) -> web.Response:
        content = self.runner.mounts.published.get(f"https://{request.host}{request.path_qs}")
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _serve(self, application: web.Application, context: ssl.SSLContext) -> int:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return int(runner.addresses[0][1])

    async def _stop_services(self) -> None:
        await self.runner.stop()
        if hasattr(self, "proxy"):
            await self.proxy.stop()
        for runner in self._runners:
            await runner.cleanup()
        await self._session.close()

    def _set_dead(self, dead: bool) -> None:
        if not hasattr(self, "proxy"):
            return
        self.proxy.dead = dead
        if dead:
            self._loop.call_soon_threadsafe(self.proxy.drop)

    async def _blob(self, request: web.Request) -> web.Response:
        return await self.storage.handle(request, self._session)

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        line = f"{request.method} {request.host}{request.path}"
        response: web.StreamResponse
        fault = self.faults.take(line)
        if fault and fault.late:
            await handler(request)
            if request.transport is not None:
                request.transport.abort()
        if fault:
            headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            response = azure_error(fault.status or 503, fault.code, fault.message, **headers)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as refusal:
                response = azure_error(refusal.status, "NotFound", f"No such service here: {line}")
        self.requests.append(f"{line} {response.status}")
        return response

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if refusal := self.tokens.problem(request) or self.management.problem(request):
            return refusal
        return await handler(request)
