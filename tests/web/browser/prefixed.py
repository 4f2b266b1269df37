"""A proxy that serves a console below a path, as nginx does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

PREFIX = "/x"
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


@asynccontextmanager
async def below_a_path(console: str) -> AsyncIterator[str]:
    """Yield the address below which the console at the address `console` is served, with a slash
    at its end. Answers are handed on as they come."""

    async def hand_on(request: web.Request) -> web.StreamResponse:
        path = request.raw_path.removeprefix(PREFIX)
        async with client.request(
            request.method,
            f"{console.rstrip('/')}{path}",
            headers=request.headers,
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            headers = [
                (name, value)
                for name, value in answer.headers.items()
                if name.lower() not in HOP_BY_HOP
            ]
            response = web.StreamResponse(status=answer.status)
            response.headers.extend(headers)
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
            return response

    application = web.Application()
    application.router.add_route("*", PREFIX + "/{path:.*}", hand_on)
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        try:
            yield f"http://{host}:{port}{PREFIX}/"
        finally:
            await runner.cleanup()
