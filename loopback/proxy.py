"""The CONNECT proxy through which unmodified clients reach the loopback workspace."""

from __future__ import annotations

import asyncio

# azure-identity asks this link-local address whether it runs on an Azure machine. It belongs to no
# server of Azure ML, and on a laptop nobody answers: requests to it are refused, not recorded.
INSTANCE_METADATA = "169.254.169.254"


class ConnectProxy:
    """Send the hosts of the workspace to local TLS ports and refuse, and remember, every other."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.ports = ports
        self.refused: list[str] = []
        self.dead = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Listen on a free port and return it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()

    def drop(self) -> None:
        """Cut every open connection, as a machine that dies does."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._tunnel(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # either side may go away at any time
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target = head.split(maxsplit=2)[:2]
        host = _host(method, target)
        if self.dead:
            return
        port = self.ports.get(host) if method == "CONNECT" and target.endswith(":443") else None
        if port is None:
            if host != INSTANCE_METADATA:
                self.refused.append(target)
            writer.write(
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            return
        service_reader, service_writer = await asyncio.open_connection("127.0.0.1", port)
        self._open.add(service_writer)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pump(reader, service_writer), _pump(service_reader, writer))
        finally:
            self._open.discard(service_writer)
            service_writer.transport.abort()


def _host(method: str, target: str) -> str:
    authority = target if method == "CONNECT" else target.split("://", 1)[-1].split("/")[0]
    return authority.rsplit(":", 1)[0].lower()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
