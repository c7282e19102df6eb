"""A reverse proxy that adds a delay to each request and counts them: a server far away.

    python -m tests.latency_proxy --to 127.0.0.1:5000 --seconds 0.05

prints the address it listens on, then one line for each request: method, path and run id.
It adds no TLS and does not limit the bandwidth.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

RUN_ID = re.compile(rb'"run_id": ?"([0-9a-f]{32})"')


@dataclass(frozen=True)
class Request:
    """One request: its path, and its run if the body names one."""

    method: str
    path: str
    run_id: str = ""


class LatencyProxy:
    """Pass requests on to `to` (host and port) after a delay, and report each to `seen`."""

    def __init__(
        self, to: tuple[str, int], seconds: float, seen: Callable[[Request], object]
    ) -> None:
        self._to, self._seconds, self._seen = to, seconds, seen

    async def start(self) -> tuple[asyncio.Server, str]:
        """Listen on a free port; give the server and its address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(client):
                body = await _body(client, head)
                self._seen(_request(head, body))
                await asyncio.sleep(self._seconds)
                answer.write(await self._ask(head + body))
                await answer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # Either side may hang up at any time, and the proxy may be stopped.
        finally:
            answer.close()

    async def _ask(self, request: bytes) -> bytes:
        # Open a connection for each request: a server closes those that stay idle too long.
        reader, writer = await asyncio.open_connection(*self._to)
        try:
            writer.write(request)
            await writer.drain()
            reply = await _head(reader)
            return reply + await _body(reader, reply)
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    fields = head.lower()
    length = re.search(rb"\r\ncontent-length: *(\d+)", fields)
    if length:
        return await reader.readexactly(int(length[1]))
    if b"\r\ntransfer-encoding: chunked" not in fields:
        return b""
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(line, 16) + 2)
        body += line + chunk
        if int(line, 16) == 0:
            return body


def _request(head: bytes, body: bytes) -> Request:
    method, target = head.split(b" ", 2)[:2]
    run_id = RUN_ID.search(body)
    return Request(
        method.decode(), target.decode().partition("?")[0], run_id[1].decode() if run_id else ""
    )


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--to", required=True, help="host:port of the server")
    parser.add_argument("--seconds", type=float, default=0.05, help="added to each request")
    arguments = parser.parse_args()
    host, _, port = arguments.to.partition(":")

    def tell(request: Request) -> None:
        print(request.method, request.path, request.run_id, flush=True)

    server, address = await LatencyProxy((host, int(port)), arguments.seconds, tell).start()
    print(address, flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
