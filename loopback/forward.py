"""Pass a request on to a real server behind the workspace, and return its answer."""

from __future__ import annotations

import io
from collections.abc import Mapping

from aiohttp import ClientSession, web
from yarl import URL

_DROPPED = {
    "accept-encoding",
    "authorization",
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
}
_SKIPPED = ("Accept-Encoding", "Content-Type", "User-Agent")


async def forward(
    session: ClientSession,
    request: web.Request,
    url: str,
    host: str | None = None,
    more: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Send the request to url, as host and with more headers; return status, headers, content."""
    headers = {k: v for k, v in request.headers.items() if k.lower() not in _DROPPED}
    headers |= more or {}
    if host:
        headers["Host"] = host
    # aiohttp 3.14 warns about large bytes, such as a model of a few trees, but not about files.
    content = io.BytesIO(await request.read())
    async with session.request(
        request.method,
        URL(url, encoded=True),
        data=content if content.getbuffer().nbytes else None,
        headers=headers,
        skip_auto_headers=_SKIPPED,
        allow_redirects=False,
    ) as answer:
        body = await answer.read()
        dropped = _DROPPED if request.method == "HEAD" else _DROPPED | {"content-length"}
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in dropped}
        return answer.status, kept, body
