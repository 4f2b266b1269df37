"""The console's API, asked over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr

from farandole.broker.settings import Settings
from farandole.operations.installation import Installation
from farandole.operations.setup.web_settings import WebSettings
from farandole.operations.topology_source import TopologySource
from farandole.web.service import run_console


@dataclass(frozen=True, slots=True)
class Answer:
    """What the console has answered."""

    status: int
    headers: Mapping[str, str]
    """In any case of letters."""
    text: str

    @property
    def data(self) -> Any:
        return orjson.loads(self.text)


@dataclass(frozen=True, slots=True)
class Api:
    """Asks a console that runs."""

    client: aiohttp.ClientSession
    url: str
    """Of the console, with a slash at its end."""

    async def get(self, path: str, **over: Any) -> Answer:
        """Ask for a path below `/api/v1`, such as `/pipelines`."""
        return await self.ask("GET", path, **over)

    async def post(self, path: str, data: Any, **over: Any) -> Answer:
        return await self.ask("POST", path, json=data, **over)

    async def ask(self, method: str, path: str, **over: Any) -> Answer:
        async with self.client.request(method, f"{self.url}api/v1{path}", **over) as response:
            return Answer(response.status, response.headers, await response.text())


TOKEN = "a token of the tests alone"


@asynccontextmanager
async def running_console(
    settings: Settings, folder: Path, web: WebSettings | None = None
) -> AsyncIterator[Api]:
    """Run the console for the pipeline of a folder; it is asked as an editor, by its token. For
    other roles: `AS_PROXY` as `web`, and the headers of `as_user`."""
    web = web or WebSettings(web_port=0, web_token=SecretStr(TOKEN))
    installation = Installation(settings, folder, TopologySource(folder / "topology.yaml", folder))
    stopping = asyncio.Event()
    urls: asyncio.Queue[str] = asyncio.Queue()
    serving = asyncio.create_task(run_console(installation, web, stopping, urls.put_nowait))
    asking = asyncio.create_task(urls.get())
    try:
        await asyncio.wait([serving, asking], return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            await serving
        by_token = web.web_auth == "token"
        headers = {"authorization": f"Bearer {TOKEN}"} if by_token else {}
        async with aiohttp.ClientSession(headers=headers) as client:
            yield Api(client, (await asking).partition("login?")[0])
    finally:
        stopping.set()
        await serving


AS_PROXY = WebSettings(
    web_port=0,
    web_auth="proxy",
    web_operators=("operators",),
    web_editors=("editors",),
    web_revealers=("revealers",),
)
"""The console asks nobody: it believes the headers of `as_user`."""


def as_user(name: str, *groups: str) -> dict[str, str]:
    """Return what a proxy says of somebody: without groups, a viewer."""
    return {"x-forwarded-user": name, "x-forwarded-groups": ",".join(groups)}
